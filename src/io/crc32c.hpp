#pragma once

#include <cstddef>
#include <cstdint>

namespace bv {

/// CRC-32C (Castagnoli, the one of RFC 3720) of `bytes`, continued from `crc` (0 to start). By Intel's ISA-L,
/// many times faster than memory.
std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t crc = 0);

}  // namespace bv
