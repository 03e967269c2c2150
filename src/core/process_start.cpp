#include "core/process_start.hpp"

#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "core/standard_streams.hpp"

namespace bv {

bool start_process() {
    reserve_standard_streams();
    std::error_code wrong;
    [[maybe_unused]] const auto folder = std::filesystem::current_path(wrong);
    if (!wrong) return true;
    fmt::print(stderr, "error: the working folder is not there any more: {}; start from another one\n",
               wrong.message());
    return false;
}

}  // namespace bv
