#include <algorithm>
#include <cstring>
#include <span>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "device/copy_stream.hpp"
#include "squad/features/features_file.hpp"
#include "states/state_source.hpp"
#include "store/store.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

/// Reads of a store, or copies from memory, at one time.
constexpr int kReaders = 4;

/// Blocks of a store that are read into memory between two reports of progress.
constexpr std::int64_t kBlocksTogether = 8;

class StoreSource final : public StateSource {
  public:
    StoreSource(const std::filesystem::path& path, double cache_gib, const Layers& layers, at::Device device)
        : store_(path), features_(read_features(path)), info_(store_.info()) {
        if (features_.count() != store_.features()) {
            fail("{} has states of {} features, but a table of {} features", path.string(), store_.features(),
                 features_.count());
        }
        position_of_.resize(store_.layout().original.size());
        for (std::size_t p = 0; p < position_of_.size(); ++p) {
            position_of_[static_cast<std::size_t>(store_.layout().original[p])] =
                static_cast<std::int64_t>(p);
        }
        require_rows();
        picked_ = pick(layers, info_, name());

        const std::int64_t bytes = info_.states() * store_.rows() * info_.row_bytes();
        if (static_cast<double>(bytes) <= cache_gib * 1024 * 1024 * 1024) {
            memory_ = read_all();
        }
        device_ = device;
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const StoreLayout& layout() const override { return store_.layout(); }
    bool worth_reading_ahead() const override { return true; }
    std::int64_t kept_bytes() const override {
        return memory_.defined() ? static_cast<std::int64_t>(memory_.nbytes()) : 0;
    }
    std::string name() const override { return store_.path().string(); }

    std::vector<StateBatch> read(const FeatureBatches& batches) const override {
        return memory_.defined() ? copy_batches(batches) : read_batches(batches);
    }

  private:
    /// Where the rows of one feature are to be put: from row `row` of `states` on.
    struct Target {
        std::int64_t position;
        const at::Tensor* states;
        std::int64_t row;
    };

    void require_rows() const {
        const std::vector<std::int64_t> rows = rows_of_features();
        for (std::size_t f = 0; f < rows.size(); ++f) {
            const std::int64_t found = store_.layout().rows_at(position_of_[f]);
            if (found != rows[f]) {
                fail("{} has {} rows of states for feature {}, but its table says {}", name(), found, f,
                     rows[f]);
            }
        }
    }

    /// Makes the batches, with memory for their states.
    std::vector<StateBatch> prepare(const FeatureBatches& batches) const {
        std::vector<StateBatch> prepared;
        for (const std::vector<std::int64_t>& which : batches) {
            StateBatch& batch = prepared.emplace_back();
            if (which.empty()) continue;
            batch = describe(features_, which, info_.task == Task::span);
            batch.states = host_memory({info_.states(), batch.rows(), info_.row_elements()},
                                       scalar_type_of(info_.dtype), device_);
        }
        return prepared;
    }

    /// All features of the batches, ordered by their places in the store.
    std::vector<Target> targets_of(const std::vector<StateBatch>& batches) const {
        std::vector<Target> targets;
        for (const StateBatch& batch : batches) {
            for (std::size_t b = 0; b < batch.packed->examples.size(); ++b) {
                targets.push_back({position_of_[static_cast<std::size_t>(batch.packed->examples[b])],
                                   &batch.states, batch.packed->starts[b]});
            }
        }
        std::sort(targets.begin(), targets.end(),
                  [](const Target& a, const Target& b) { return a.position < b.position; });
        return targets;
    }

    char* place(const Target& target, std::int64_t state) const {
        return static_cast<char*>(target.states->data_ptr()) +
               (state * target.states->size(1) + target.row) * info_.row_bytes();
    }

    /// The states of all features, in the store's order. They are not page-locked: they may be too many for
    /// that. It shows its progress, without which the watchdog would take a slow disk for a rank that hangs.
    at::Tensor read_all() const {
        const std::vector<StateBatch> all = prepare({layout().original});
        const std::vector<Target> targets = targets_of(all);
        const auto together = static_cast<std::size_t>(kBlocksTogether * layout().positions_of(0));
        Progress progress(fmt::format("reading {} into memory", name()), "features", features_.count());
        for (std::size_t first = 0; first < targets.size(); first += together) {
            const std::size_t count = std::min(together, targets.size() - first);
            read_targets(std::span(targets).subspan(first, count));
            progress.advance(static_cast<std::int64_t>(count));
        }
        return all.front().states;
    }

    std::vector<StateBatch> read_batches(const FeatureBatches& batches) const {
        std::vector<StateBatch> result = prepare(batches);
        read_targets(targets_of(result));
        return result;
    }

    void read_targets(std::span<const Target> targets) const {
        // Features that are neighbours in the store are read at once, but never more than one block.
        std::vector<std::size_t> runs;
        for (std::size_t i = 0; i < targets.size(); ++i) {
            if (i == 0 || targets[i].position != targets[i - 1].position + 1 ||
                static_cast<std::int64_t>(i - runs.back()) == layout().positions_of(0)) {
                runs.push_back(i);
            }
        }
        runs.push_back(targets.size());
        const auto states = info_.states();
        parallel_for(static_cast<std::int64_t>(runs.size() - 1) * states, kReaders, [&](std::int64_t task) {
            const auto run = static_cast<std::size_t>(task / states);
            const std::int64_t s = task % states;
            std::vector<void*> places;
            for (std::size_t i = runs[run]; i < runs[run + 1]; ++i) places.push_back(place(targets[i], s));
            store_.read(picked_[static_cast<std::size_t>(s)], targets[runs[run]].position, places);
        });
    }

    std::vector<StateBatch> copy_batches(const FeatureBatches& batches) const {
        std::vector<StateBatch> result = prepare(batches);
        const std::vector<Target> targets = targets_of(result);
        parallel_for(static_cast<std::int64_t>(targets.size()), kReaders, [&](std::int64_t task) {
            const Target& target = targets[static_cast<std::size_t>(task)];
            const std::int64_t rows = layout().rows_at(target.position);
            const Target source{target.position, &memory_, layout().row_at(target.position)};
            for (std::int64_t s = 0; s < info_.states(); ++s) {
                std::memcpy(place(target, s), place(source, s),
                            static_cast<std::size_t>(rows * info_.row_bytes()));
            }
        });
        return result;
    }

    Store store_;
    Features features_;
    StoreInfo info_;                         // it lists only the layers that are read
    std::vector<std::int64_t> picked_;       // the numbers of the store's states that are read
    std::vector<std::int64_t> position_of_;  // (F) the place of each feature in the store
    at::Device device_ = at::kCPU;           // the batches are copied there later
    at::Tensor memory_;  // all states that are read, in the store's order; undefined without a cache
};

}  // namespace

std::unique_ptr<StateSource> open_store(const std::filesystem::path& path, double cache_gib,
                                        const Layers& layers, at::Device device) {
    return std::make_unique<StoreSource>(path, cache_gib, layers, device);
}

}  // namespace bv
