#pragma once

#include "core/words.hpp"

namespace bv {

/// What models and heads are trained for: where does the answer stand, or has the question one at all?
enum class Task { span, classification };

template <>
struct Words<Task> {
    static constexpr std::string_view kKind = "task";
    static constexpr std::array<std::string_view, 2> kWords{"span", "classification"};
};

}  // namespace bv
