#include "io/crc32c.hpp"

#include <algorithm>
#include <limits>

#include <isa-l/crc.h>

namespace bv {

std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t crc) {
    // ISA-L does not change the bytes, but wants a pointer to bytes that are not const. It counts in int.
    auto* at = static_cast<unsigned char*>(const_cast<void*>(data));
    crc = ~crc;
    while (bytes > 0) {
        const auto part = std::min<std::size_t>(bytes, std::numeric_limits<int>::max());
        crc = ::crc32_iscsi(at, static_cast<int>(part), crc);
        at += part;
        bytes -= part;
    }
    return ~crc;
}

}  // namespace bv
