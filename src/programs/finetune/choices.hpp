#pragma once

#include "core/words.hpp"

namespace bv {

/// The loss of the span task, from the cross-entropies of start and end.
enum class SpanLoss { sum, mean };

template <>
struct Words<SpanLoss> {
    static constexpr std::string_view kKind = "loss";
    static constexpr std::array<std::string_view, 2> kWords{"sum", "mean"};
};

/// What happens at a loss or gradient that is not finite.
enum class NonFinite {
    stop,  ///< training ends with an error
    skip,  ///< this step leaves the weights as they are
};

template <>
struct Words<NonFinite> {
    static constexpr std::string_view kKind = "reaction to values that are not finite";
    static constexpr std::array<std::string_view, 2> kWords{"stop", "skip"};
};

/// Whether a run goes on from the state of an earlier run.
enum class ResumeRule {
    automatic,  ///< if there is one of the same recipe
    never,
    must,  ///< it is an error if there is none
};

template <>
struct Words<ResumeRule> {
    static constexpr std::string_view kKind = "resume rule";
    static constexpr std::array<std::string_view, 3> kWords{"auto", "never", "must"};
};

}  // namespace bv
