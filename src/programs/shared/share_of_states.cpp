#include "programs/shared/share_of_states.hpp"

#include <algorithm>
#include <utility>

#include "core/progress.hpp"
#include "states/feed.hpp"

namespace bv {

void require_same_states(const StateSource& source, const Communicator& ranks) {
    const StoreInfo& info = source.info();
    ranks.require_equal(fmt::format("features {} and weights {}", info.features, info.checkpoint),
                        source.name());
}

void read_share(const StateSource& source, const ReadingPlan& plan, const Communicator& ranks,
                const std::function<void(SharedBatch&)>& use) {
    const auto count = static_cast<std::int64_t>(plan.order.size());
    const std::int64_t begin = count * ranks.rank() / ranks.size();
    const std::int64_t end = count * (ranks.rank() + 1) / ranks.size();
    FeatureBatches batches;
    for (std::int64_t first = begin; first < end; first += plan.batch) {
        batches.emplace_back(plan.order.begin() + first,
                             plan.order.begin() + std::min(end, first + plan.batch));
    }
    const std::size_t calls = batches.size();
    Progress progress(fmt::format("{} rank {}'s share", plan.work, ranks.rank()), "features", end - begin,
                      !ranks.is_root());
    StateFeed feed(source, group_batches(source, std::move(batches), kBlockBytes), plan.device);
    bool cut_short = false;
    for (std::size_t i = 0; i < calls; ++i) {
        cut_short = ends_now(plan.when);
        if (cut_short) break;
        SharedBatch batch(feed.next());
        use(batch);
        progress.advance(batch.as_read().sequences());
    }
    end_together(cut_short, plan.missing.c_str(), ranks);
    progress.finish();
}

}  // namespace bv
