#pragma once

#include <cstdint>
#include <vector>

#include "random/philox.hpp"

namespace bv {

/// Draws which elements of an example are kept, for the groups [first, last) of kPhiloxGroup elements each.
/// Writes one bit for each element (1 = kept) into `bits`, the lowest bit of a byte first: kPhiloxGroup / 8
/// bytes for a group. Uses AVX-512 if the processor has it; the bits are the same everywhere.
void draw_keep_bits(const DropoutStream& stream, std::int64_t first, std::int64_t last, std::uint8_t* bits);

/// Which of some elements of an example are kept. Kernels apply it (random/masked_lanes.hpp).
struct KeepBits {
    /// Keeps all elements.
    KeepBits() = default;

    /// Draws the bits of the elements [begin, end) of the stream's example.
    KeepBits(const DropoutStream& stream, std::int64_t begin, std::int64_t end);

    /// Whether element `begin + i` is kept. Must not be called if `bits` is empty.
    bool kept(std::int64_t i) const {
        const std::int64_t at = offset + i;
        return (bits[static_cast<std::size_t>(at / 8)] >> (at % 8) & 1) != 0;
    }

    std::vector<std::uint8_t> bits;  ///< empty if all are kept; 4 bytes past the last element can be read
    std::int64_t offset = 0;         ///< place of element `begin` among the bits
    float scale = 1.0F;              ///< factor of kept elements
};

}  // namespace bv
