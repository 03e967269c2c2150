#include "programs/store/unsound_blocks.hpp"

#include <algorithm>
#include <mutex>

#include "core/log.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "core/size_text.hpp"
#include "programs/shared/stopping.hpp"

namespace bv {
namespace {

int reading_threads() {
    // Several reads at the same time keep a disk busy, even if there is only one core.
    return std::max(4, available_cores());
}

/// "0, 6 to 71" for ascending numbers.
std::string ranges_text(const std::vector<std::int64_t>& numbers) {
    std::string text;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
        text += fmt::format("{}{}{}", text.empty() ? "" : ", ", numbers[i],
                            end - i > 1 ? fmt::format(" to {}", numbers[end - 1]) : "");
        i = end;
    }
    return text;
}

std::string text_of(const Store& store, const std::vector<std::int64_t>& unsound) {
    std::string text;
    for (const bool written : {false, true}) {
        std::vector<std::int64_t> blocks;
        for (const std::int64_t b : unsound) {
            if (store.records().written(b) == written) blocks.push_back(b);
        }
        if (blocks.empty()) continue;
        text += fmt::format("{}{} block{} {}", text.empty() ? "" : "; ", written ? "damaged" : "missing",
                            blocks.size() == 1 ? "" : "s", ranges_text(blocks));
    }
    return text;
}

}  // namespace

std::optional<UnsoundBlocks> find_unsound_blocks(const Store& store) {
    const StoreLayout& layout = store.layout();
    Progress progress("verifying", "blocks", layout.blocks());
    std::vector<std::int64_t> unsound;
    std::int64_t looked_at = 0;
    std::mutex guard;
    parallel_for(layout.blocks(), reading_threads(), [&](std::int64_t block) {
        if (ends_now(WhenTold::end)) return;
        const bool sound = store.sound(block);
        const std::scoped_lock lock(guard);
        if (!sound) unsound.push_back(block);
        ++looked_at;
        progress.advance(1);
    });
    if (looked_at < layout.blocks()) return {};
    const double seconds = progress.finish();
    double bytes = 0;  // of the blocks that were read
    for (std::int64_t block = 0; block < layout.blocks(); ++block) {
        if (store.records().written(block))
            bytes += static_cast<double>(store.states() * layout.rows_of(block) * store.info().row_bytes());
    }
    spdlog::info("{}: its tables and {} of its {} blocks are undamaged; {} read in {} ({:.0f} MB/s)",
                 store.path().string(), layout.blocks() - static_cast<std::int64_t>(unsound.size()),
                 layout.blocks(), size_text(bytes), duration_text(seconds),
                 bytes * 1e-6 / std::max(seconds, 1e-9));
    std::sort(unsound.begin(), unsound.end());
    return UnsoundBlocks{unsound, text_of(store, unsound)};
}

}  // namespace bv
