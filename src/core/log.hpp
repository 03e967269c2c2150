#pragma once

#include <spdlog/spdlog.h>

namespace bv {

/// Sets the format of spdlog's default logger (stderr) for a rank: rank 0 prints from level info, the others
/// from level warning with their rank in front. With BV_LOG=debug in the environment all ranks print every
/// message, and each collective call that they enter. Programs log with spdlog::info, spdlog::warn and so on.
void start_logging(int rank, int ranks);

}  // namespace bv
