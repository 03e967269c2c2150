#include "core/dtype.hpp"

#include <array>
#include <string>

#include "core/error.hpp"

namespace bv {
namespace {

struct Row {
    DType dtype;
    std::size_t bytes;
    std::string_view name;
};

constexpr std::array<Row, 7> kRows{{{DType::f64, 8, "float64"},
                                    {DType::f32, 4, "float32"},
                                    {DType::f16, 2, "float16"},
                                    {DType::bf16, 2, "bfloat16"},
                                    {DType::i64, 8, "int64"},
                                    {DType::i32, 4, "int32"},
                                    {DType::u8, 1, "uint8"}}};

const Row& row_of(DType dtype) {
    return kRows[static_cast<std::size_t>(dtype)];
}

}  // namespace

std::size_t size_of(DType dtype) {
    return row_of(dtype).bytes;
}

std::string_view name_of(DType dtype) {
    return row_of(dtype).name;
}

DType dtype_named(std::string_view name) {
    std::string known;
    for (const Row& row : kRows) {
        if (row.name == name) return row.dtype;
        known += known.empty() ? "" : ", ";
        known += row.name;
    }
    fail("'{}' is no known element type; known: {}", name, known);
}

}  // namespace bv
