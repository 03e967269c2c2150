#include "core/size_text.hpp"

#include <fmt/format.h>

namespace bv {

std::string size_text(double bytes) {
    if (bytes < 1e6) return fmt::format("{:.1f} kB", bytes * 1e-3);
    if (bytes < 1e9) return fmt::format("{:.1f} MB", bytes * 1e-6);
    if (bytes < 1e12) return fmt::format("{:.2f} GB", bytes * 1e-9);
    return fmt::format("{:.2f} TB", bytes * 1e-12);
}

}  // namespace bv
