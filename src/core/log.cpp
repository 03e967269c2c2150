#include "core/log.hpp"

#include <cstdlib>
#include <string_view>

#include <spdlog/sinks/stdout_color_sinks.h>

namespace bv {

void start_logging(int rank, int ranks) {
    auto logger = spdlog::stderr_color_mt(fmt::format("rank {}", rank));
    logger->set_pattern(ranks > 1 && rank > 0 ? "%H:%M:%S %^%l%$ [%n] %v" : "%H:%M:%S %^%l%$ %v");
    const char* wanted = std::getenv("BV_LOG");
    const bool all = wanted != nullptr && std::string_view(wanted) == "debug";
    logger->set_level(all ? spdlog::level::debug : rank == 0 ? spdlog::level::info : spdlog::level::warn);
    logger->flush_on(logger->level());
    spdlog::set_default_logger(logger);
}

}  // namespace bv
