#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bv {

/// What --stride counts: tokens from one window's start to the next (Devlin et al. 2019's code, the legacy
/// conversion), or tokens that neighbours share (today's run_qa).
enum class StrideMeans { step, overlap };

/// "step" or "overlap". Throws Error.
StrideMeans stride_means_named(std::string_view name);

/// Part of a context: tokens [first, first + size) of it.
struct Window {
    std::int64_t first = 0;
    std::int64_t size = 0;
    bool operator==(const Window&) const = default;
};

/// Cuts a context of `tokens` tokens into windows of at most `capacity` tokens; the last one ends with the
/// context. There is always one window; for an empty context it is empty. A step must leave no gap: 0 <
/// stride <= capacity for `step`, 0 <= stride < capacity for `overlap`.
std::vector<Window> windows_over(std::int64_t tokens, std::int64_t capacity, std::int64_t stride,
                                 StrideMeans means);

/// 1 for each token of window `which` to which no other window gives more context; if several give the
/// same, the first of them wins. The context of a token is the smaller of the numbers of tokens on its left
/// and right, plus a hundredth of the window's size.
std::vector<std::uint8_t> max_context_flags(const std::vector<Window>& windows, std::size_t which);

}  // namespace bv
