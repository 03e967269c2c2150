#pragma once

#include "comm/communicator.hpp"
#include "config/command_line.hpp"

namespace bv {

/// Collective: every rank parses its command line (CommandLine::parse). Throws AgreedError for a mistake in
/// it, and if a rank's values are not those of rank 0: it was given other flags, or its --config is another
/// file on another host. Throws Answered for --help.
void parse_on_ranks(CommandLine& line, int argc, const char* const* argv, const Communicator& ranks);

}  // namespace bv
