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
    bool labelled = false;              ///< false for a test set: no question has an answer or is impossible
};

/// Reads a SQuAD file. Throws Error, which names the file and the place, if the file is missing or its JSON
/// is malformed (line and column), if a field is missing or has another type, if a question id occurs twice,
/// or if an answer does not stand at its offset.
Dataset read_squad(const std::filesystem::path& path);

/// The part of `dataset` with the contexts that are kept. `keep` (contexts) is true for each of them.
Dataset part_of(const Dataset& dataset, const std::vector<bool>& keep);

}  // namespace bv
