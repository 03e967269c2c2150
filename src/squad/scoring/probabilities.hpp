#pragma once

#include <span>

#include "core/words.hpp"
#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// How several models' probabilities become one.
enum class Combine { max, mean };

template <>
struct Words<Combine> {
    static constexpr std::string_view kKind = "way to combine models";
    static constexpr std::array<std::string_view, 2> kWords{"max", "mean"};
};

/// Log-probabilities: the log-softmax of start and of end logits, each over the real tokens of its window.
SpanLogits log_softmax(const Features& features, const SpanLogits& logits);

/// The models' softmaxes combined position by position, as logarithms. The maximum is the reference's
/// ensemble (King, Benge and Jiang 2020); like there, nothing is normalised again. One model's result is its
/// log_softmax. All models must be of these features.
SpanLogits combine(const Features& features, std::span<const SpanLogits> models, Combine how);

/// The same over the two classes of every feature.
ClassLogits log_softmax(const ClassLogits& logits);
ClassLogits combine(std::span<const ClassLogits> models, Combine how);

}  // namespace bv
