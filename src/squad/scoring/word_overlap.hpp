#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

namespace bv {

/// SQuAD's F1 of two lists of words (or wordpieces), in [0, 1]: the harmonic mean of precision (the share of
/// `predicted` that is in `gold`) and recall (the share of `gold` that is in `predicted`). A word counts as
/// often as it occurs in both. 1 if both are empty, 0 if only one is.
template <class Word>
double overlap_f1(std::vector<Word> gold, std::vector<Word> predicted) {
    if (gold.empty() || predicted.empty()) return gold.empty() == predicted.empty() ? 1.0 : 0.0;
    std::sort(gold.begin(), gold.end());
    std::sort(predicted.begin(), predicted.end());
    std::vector<Word> common;
    std::set_intersection(gold.begin(), gold.end(), predicted.begin(), predicted.end(),
                          std::back_inserter(common));
    if (common.empty()) return 0.0;
    const double precision = static_cast<double>(common.size()) / static_cast<double>(predicted.size());
    const double recall = static_cast<double>(common.size()) / static_cast<double>(gold.size());
    return 2 * precision * recall / (precision + recall);
}

}  // namespace bv
