#include "squad/features/windows.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace bv {

std::vector<Window> windows_over(std::int64_t tokens, std::int64_t capacity, std::int64_t stride,
                                 StrideMeans means) {
    const std::int64_t step = means == StrideMeans::step ? stride : capacity - stride;
    BV_EXPECT(step > 0 && step <= capacity);
    std::vector<Window> windows;
    std::int64_t first = 0;
    do {
        windows.push_back({first, std::min(capacity, tokens - first)});
        first += step;
    } while (windows.back().first + windows.back().size < tokens);
    return windows;
}

std::vector<std::uint8_t> max_context_flags(const std::vector<Window>& windows, std::size_t which) {
    // The legacy conversion computes in double precision too, so that the same windows tie.
    const auto score = [](const Window& window, std::int64_t position) {
        const std::int64_t left = position - window.first;
        const std::int64_t right = window.first + window.size - 1 - position;
        return static_cast<double>(std::min(left, right)) + 0.01 * static_cast<double>(window.size);
    };
    const Window& own = windows[which];
    std::vector<std::uint8_t> flags(static_cast<std::size_t>(own.size), 1);
    for (std::size_t other = 0; other < windows.size(); ++other) {
        const Window& window = windows[other];
        const std::int64_t begin = std::max(own.first, window.first);
        const std::int64_t end = std::min(own.first + own.size, window.first + window.size);
        for (std::int64_t position = begin; other != which && position < end; ++position) {
            const double mine = score(own, position);
            const double its = score(window, position);
            if (its > mine || (its == mine && other < which))
                flags[static_cast<std::size_t>(position - own.first)] = 0;
        }
    }
    return flags;
}

}  // namespace bv
