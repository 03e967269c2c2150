#pragma once

#include <cstdint>
#include <vector>

#include "core/words.hpp"

namespace bv {

/// The meaning of --stride. step: the number of tokens from the start of a window to the start of the next
/// one, as in the code of Devlin et al. 2019 and the legacy conversion. overlap: the number of tokens that
/// neighbouring windows share, as in today's run_qa.
enum class StrideMeans { step, overlap };

template <>
struct Words<StrideMeans> {
    static constexpr std::string_view kKind = "meaning of the stride";
    static constexpr std::array<std::string_view, 2> kWords{"step", "overlap"};
};

/// A part of a context: its tokens [first, first + size).
struct Window {
    std::int64_t first = 0;
    std::int64_t size = 0;
    bool operator==(const Window&) const = default;
};

/// Cuts a context of `tokens` tokens into windows of at most `capacity` tokens; the last one ends with the
/// context. There is at least one window; an empty context has one empty window. Windows must leave no gap: 0
/// < stride <= capacity for `step`, 0 <= stride < capacity for `overlap`.
std::vector<Window> windows_over(std::int64_t tokens, std::int64_t capacity, std::int64_t stride,
                                 StrideMeans means);

/// 1 for each token of window `which` to which no other window gives more context; if several give the
/// same, the first of them wins. The context of a token is the smaller of the numbers of tokens on its left
/// and right, plus a hundredth of the window's size.
std::vector<std::uint8_t> max_context_flags(const std::vector<Window>& windows, std::size_t which);

}  // namespace bv
