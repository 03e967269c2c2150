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

constexpr std::array<Row, 8> kRows{{{DType::f64, 8, "float64"},
                                    {DType::f32, 4, "float32"},
                                    {DType::f16, 2, "float16"},
                                    {DType::bf16, 2, "bfloat16"},
                                    {DType::i64, 8, "int64"},
                                    {DType::i32, 4, "int32"},
                                    {DType::u8, 1, "uint8"},
                                    {DType::f8, 1, "float8"}}};

// NaN and infinity have all bits of the exponent set. The loop has no branch, so that the compiler can use
// wide registers.
template <class Word>
bool none_has_all(Word exponent, const void* elements, std::int64_t count) {
    const auto* words = static_cast<const Word*>(elements);
    Word found = 0;
    for (std::int64_t i = 0; i < count; ++i) found |= static_cast<Word>((words[i] & exponent) == exponent);
    return found == 0;
}

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

bool all_finite(DType dtype, const void* elements, std::int64_t count) {
    switch (dtype) {
        case DType::f32:
            return none_has_all<std::uint32_t>(0x7F800000, elements, count);
        case DType::f16:
            return none_has_all<std::uint16_t>(0x7C00, elements, count);
        case DType::bf16:
            return none_has_all<std::uint16_t>(0x7F80, elements, count);
        default:
            BV_EXPECT(false);
    }
    return false;
}

}  // namespace bv
