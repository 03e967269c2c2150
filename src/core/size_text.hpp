#pragma once

#include <string>

namespace bv {

/// "1.2 kB", "65.4 MB", "1.50 GB" or "5.23 TB": in decimal units (1 kB = 1000 bytes).
std::string size_text(double bytes);

}  // namespace bv
