#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "squad/features/features.hpp"

namespace bv {

/// The questions of a SQuAD 1.1 or 2.0 file (Rajpurkar et al. 2016, 2018).
struct Dataset {
    std::vector<std::string> contexts;  ///< each once, UTF-8, in the file's order
    std::vector<Question> questions;    ///< in the file's order
    bool labelled = false;              ///< false where no question says anything about answers: a test set
};

/// Reads a SQuAD file. Throws Error naming the file and the place: missing, malformed JSON (line and column),
/// no `data`, a missing field or one of another type, a question id twice, an answer that does not stand at
/// its offset.
Dataset read_squad(const std::filesystem::path& path);

/// The part of `dataset` whose contexts are marked: (contexts) true for each context that is kept.
Dataset part_of(const Dataset& dataset, const std::vector<bool>& keep);

}  // namespace bv
