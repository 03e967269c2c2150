#include "squad/features/windows.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

using Windows = std::vector<Window>;
using Flags = std::vector<std::uint8_t>;

TEST(Windows, a_step_counts_from_start_to_start) {
    EXPECT_EQ(windows_over(10, 6, 3, StrideMeans::step), (Windows{{0, 6}, {3, 6}, {6, 4}}));
}

TEST(Windows, an_overlap_is_shared_by_neighbours) {
    EXPECT_EQ(windows_over(10, 6, 2, StrideMeans::overlap), (Windows{{0, 6}, {4, 6}}));
}

TEST(Windows, the_first_window_that_reaches_the_end_is_the_last) {
    EXPECT_EQ(windows_over(6, 6, 1, StrideMeans::step), (Windows{{0, 6}}));
    EXPECT_EQ(windows_over(7, 6, 1, StrideMeans::step), (Windows{{0, 6}, {1, 6}}));
}

TEST(Windows, an_empty_context_has_one_empty_window) {
    EXPECT_EQ(windows_over(0, 6, 3, StrideMeans::step), (Windows{{0, 0}}));
    EXPECT_TRUE(max_context_flags({{0, 0}}, 0).empty());
}

TEST(Windows, every_token_stands_in_some_window_and_has_one_of_maximum_context) {
    for (const auto means : {StrideMeans::step, StrideMeans::overlap}) {
        for (std::int64_t tokens = 1; tokens < 60; ++tokens) {
            for (std::int64_t stride = 1; stride < 7; ++stride) {
                const Windows windows = windows_over(tokens, 7, stride, means);
                std::vector<int> times(static_cast<std::size_t>(tokens));
                for (std::size_t w = 0; w < windows.size(); ++w) {
                    const Flags flags = max_context_flags(windows, w);
                    ASSERT_EQ(static_cast<std::int64_t>(flags.size()), windows[w].size);
                    for (std::size_t i = 0; i < flags.size(); ++i) {
                        times[static_cast<std::size_t>(windows[w].first) + i] += flags[i];
                    }
                }
                for (const int count : times) ASSERT_EQ(count, 1) << tokens << " tokens, stride " << stride;
            }
        }
    }
}

TEST(Windows, maximum_context_goes_to_the_smaller_side_then_the_longer_window_then_the_first) {
    // Tokens 3, 4, 5 of {0, 6} have 2, 1, 0 tokens on their smaller side, in {3, 6} 0, 1, 2.
    EXPECT_EQ(max_context_flags({{0, 6}, {3, 6}}, 0), (Flags{1, 1, 1, 1, 1, 0}));
    EXPECT_EQ(max_context_flags({{0, 6}, {3, 6}}, 1), (Flags{0, 0, 1, 1, 1, 1}));
    // Token 4 has one token on its smaller side in both; the second window is the longer one.
    EXPECT_EQ(max_context_flags({{0, 6}, {3, 7}}, 1), (Flags{0, 1, 1, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace bv
