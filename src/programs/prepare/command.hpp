#pragma once

#include <cstdint>
#include <string>

#include "config/command_line.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Flags of bv_prepare.
struct PrepareOptions {
    std::string squad;
    std::string model;
    std::string output;
    FeatureSettings settings;
    std::string unfound = "skip";
    double hold_out = 0;
    std::string hold_out_output;
    std::uint64_t seed = 0;
    std::int64_t limit = 0;  ///< questions; 0 = all
    int threads = 0;         ///< 0 = the cores this process may run on
    bool force = false;

    void declare(CommandLine& line);
};

/// Makes the features of a SQuAD file with a model folder's tokenizer and writes them, and those of the
/// held-out paragraphs, each with the resolved configuration beside it (FILE.toml). Throws Error for a user's
/// mistake, before any file is written.
void prepare(const PrepareOptions& options, const CommandLine& line);

}  // namespace bv
