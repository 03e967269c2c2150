#pragma once

#include <cstdint>
#include <vector>

#include "random/philox.hpp"

namespace bv {

/// Draws which elements of an example are kept, for groups [first, last) of kPhiloxGroup elements: one bit
/// each, the lowest bit of a byte first, kPhiloxGroup / 8 bytes a group. With AVX-512 where the processor has
/// it: the same bits everywhere.
void draw_keep_bits(const DropoutStream& stream, std::int64_t first, std::int64_t last, std::uint8_t* bits);

/// The keep bits of some elements of an example, for kernels to apply (tensor/simd_bfloat16.hpp).
struct KeepBits {
    /// All are kept.
    KeepBits() = default;

    /// Of elements [begin, end) of the stream's example.
    KeepBits(const DropoutStream& stream, std::int64_t begin, std::int64_t end);

    /// Whether element `begin + i` is kept. Not for KeepBits without bits.
    bool kept(std::int64_t i) const {
        const std::int64_t at = offset + i;
        return (bits[static_cast<std::size_t>(at / 8)] >> (at % 8) & 1) != 0;
    }

    std::vector<std::uint8_t> bits;  ///< empty where all are kept; readable 4 bytes past the last element
    std::int64_t offset = 0;         ///< of element `begin` among the bits
    float scale = 1.0F;              ///< of kept elements
};

}  // namespace bv
