#include "core/error.hpp"

namespace bv {

void contract_broken(const char* condition, const char* file, int line) {
    throw std::logic_error(fmt::format("broken contract: {} ({}:{})", condition, file, line));
}

}  // namespace bv
