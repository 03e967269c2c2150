#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

namespace bv {

/// SQuAD's F1 of two bags of words (or wordpieces): harmonic mean of the share of `predicted` found in `gold`
/// and the reverse, a word counting as often as it occurs in both. 1 where both are empty, 0 where one is. In
/// [0, 1].
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
