#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/dtype.hpp"
#include "io/safetensors.hpp"

namespace bv {

/// The element type of Torch for ours, and back. A type that files do not hold is a broken contract.
at::ScalarType scalar_type_of(DType dtype);
DType dtype_of(at::ScalarType type);

/// A copy of `view` as a tensor on the CPU. `floats_as` converts floating elements (float16 and bfloat16
/// weights to float32, say) and leaves integers alone.
at::Tensor to_tensor(const TensorView& view, std::optional<at::ScalarType> floats_as = std::nullopt);

/// All tensors of a safetensors file by name, on the CPU. Throws Error naming the file and what is wrong with
/// it.
std::map<std::string, at::Tensor> load_tensors(const std::filesystem::path& path,
                                               std::optional<at::ScalarType> floats_as = std::nullopt);

/// Writes `tensors` (any device and strides) as a safetensors file. The default metadata is what Hugging
/// Face's from_pretrained asks for. Returns the file's fingerprint. Throws Error naming the path.
std::string save_tensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace bv
