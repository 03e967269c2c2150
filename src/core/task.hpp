#pragma once

#include "core/words.hpp"

namespace bv {

/// The question that models and heads are trained to answer. `span`: where does the answer stand?
/// `classification`: is there an answer?
enum class Task { span, classification };

template <>
struct Words<Task> {
    static constexpr std::string_view kKind = "task";
    static constexpr std::array<std::string_view, 2> kWords{"span", "classification"};
};

}  // namespace bv
