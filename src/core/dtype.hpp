#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bv {

/// Element types of tensors in files. f8 is only in stores: bytes of e4m3, whose rows have a
/// scale (tensor/float8.hpp).
enum class DType { f64, f32, f16, bf16, i64, i32, u8, f8 };

/// The bytes before the elements of each row of f8: its scale.
inline constexpr std::int64_t kFloat8ScaleBytes = 4;

/// Bytes of one element.
std::size_t size_of(DType dtype);

/// "float32", "float16", "bfloat16" ...: the names used in flags, stores and messages.
std::string_view name_of(DType dtype);

/// The inverse of `name_of`. Throws Error naming the known types.
DType dtype_named(std::string_view name);

/// Whether all `count` elements are finite. `dtype` must be float32, float16 or bfloat16.
bool all_finite(DType dtype, const void* elements, std::int64_t count);

}  // namespace bv
