#pragma once

#include <cstdint>

#include "core/progress.hpp"
#include "core/words.hpp"
#include "squad/features/dataset.hpp"
#include "squad/features/features.hpp"
#include "squad/text/tokenizer.hpp"

namespace bv {

/// How to treat a question whose answer the legacy rule cannot find in its context.
enum class Unfound {
    skip,  ///< left out, as the legacy conversion does in training
    keep,  ///< kept and labelled by the offsets rule, for evaluation, where no question may be missing
};

template <>
struct Words<Unfound> {
    static constexpr std::string_view kKind = "treatment of unfound answers";
    static constexpr std::array<std::string_view, 2> kWords{"skip", "keep"};
};

/// Throws Error if the longest question would leave no room for its context, or if the stride would skip
/// tokens.
void check_settings(const FeatureSettings& settings);

/// Features of every question of `dataset` in its order, on `threads` threads; the result does not depend on
/// their number. Labels come from a question's first answer. In the result, the settings' vocabulary,
/// tokenizer and lower_case are those of `tokenizer`. `progress` counts questions. Throws Error as
/// check_settings does.
Features make_features(const Dataset& dataset, const Tokenizer& tokenizer, const FeatureSettings& settings,
                       Unfound unfound, int threads, Progress& progress);

}  // namespace bv
