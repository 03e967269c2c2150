#pragma once

#include <span>

#include "core/words.hpp"
#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// How the probabilities of several models are combined.
enum class Combine { max, mean };

template <>
struct Words<Combine> {
    static constexpr std::string_view kKind = "way to combine models";
    static constexpr std::array<std::string_view, 2> kWords{"max", "mean"};
};

/// Log-probabilities: the log-softmax of the start logits and of the end logits, each over the real tokens of
/// its window.
SpanLogits log_softmax(const Features& features, const SpanLogits& logits);

/// The models' softmaxes, combined at each position, as logarithms. The maximum is the reference's ensemble
/// (King, Benge and Jiang 2020); as there, the result is not normalised again. For one model the result is
/// its log_softmax. All models must have logits for `features`.
SpanLogits combine(const Features& features, std::span<const SpanLogits> models, Combine how);

/// The same for the two classes of every feature.
ClassLogits log_softmax(const ClassLogits& logits);
ClassLogits combine(std::span<const ClassLogits> models, Combine how);

}  // namespace bv
