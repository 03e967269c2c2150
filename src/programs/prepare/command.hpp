#pragma once

#include <cstdint>
#include <string>

#include "config/command_line.hpp"
#include "squad/features/feature_builder.hpp"

namespace bv {

/// Flags of bv_prepare.
struct PrepareOptions {
    std::string squad;
    std::string model;
    std::string output;
    FeatureSettings settings;
    Unfound unfound = Unfound::skip;
    double hold_out = 0;  ///< share of the questions, 0 to 1
    std::string hold_out_output;
    std::uint64_t seed = 0;
    std::int64_t limit = 0;  ///< questions; 0 means all
    int threads = 0;         ///< 0 means all cores that this process may run on
    bool force = false;

    /// Declares all flags on `line`; `line.parse` then sets this object.
    void declare(CommandLine& line);
};

/// Local: makes the features of a SQuAD file with the tokenizer of a model folder, and writes them. The
/// features of the held-out paragraphs go to a file of their own. The resolved configuration stands beside
/// each file, as FILE.toml. Throws Error for a user's mistake, before any file is written, and when a file
/// cannot be written.
void prepare(const PrepareOptions& options, const CommandLine& line);

}  // namespace bv
