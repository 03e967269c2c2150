#pragma once

#include <cstddef>
#include <cstdint>

namespace bv {

/// The CRC-32C (Castagnoli, as in RFC 3720) of `bytes` bytes at `data`. `crc` is the result for the bytes
/// before them, 0 at the beginning. Computed by Intel's ISA-L.
std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t crc = 0);

}  // namespace bv
