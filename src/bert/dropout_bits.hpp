#pragma once

#include <cstdint>

#include "bert/philox.hpp"

namespace bv {

/// Draws which elements of an example are kept, for groups [first, last) of kPhiloxGroup elements: one bit
/// each, the lowest bit of a byte first, kPhiloxGroup / 8 bytes a group. With AVX-512 where the processor has
/// it: the same bits everywhere.
void draw_keep_bits(const DropoutStream& stream, std::int64_t first, std::int64_t last, std::uint8_t* bits);

}  // namespace bv
