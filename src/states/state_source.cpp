#include "states/state_source.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "device/copy_stream.hpp"
#include "optim/checkpoint.hpp"
#include "squad/features/features_file.hpp"
#include "states/compatibility.hpp"
#include "states/task_states.hpp"
#include "store/store.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

/// Makes a batch that still lacks its states: examples, starts and labels.
StateBatch describe(const Features& features, std::span<const std::int64_t> which, bool row_is_token) {
    StateBatch batch;
    batch.examples.assign(which.begin(), which.end());
    batch.starts.push_back(0);
    std::vector<std::int64_t> start, end, no_answer;
    for (const std::int64_t f : which) {
        const auto i = static_cast<std::size_t>(f);
        start.push_back(batch.starts.back() + features.start_label[i]);
        end.push_back(batch.starts.back() + features.end_label[i]);
        batch.starts.push_back(batch.starts.back() + (row_is_token ? features.tokens_of(f) : 1));
        no_answer.push_back(features.no_answer(f) ? 1 : 0);
    }
    batch.start_labels = at::tensor(start, at::kLong);
    batch.end_labels = at::tensor(end, at::kLong);
    batch.no_answer = at::tensor(no_answer, at::kLong);
    return batch;
}

/// The places of `wanted` in `kept`; both are ascending. Without `wanted`, all places.
std::vector<std::int64_t> places_of(const Layers& wanted, const std::vector<std::int64_t>& kept,
                                    const std::string& name) {
    std::vector<std::int64_t> places;
    for (const std::int64_t layer : wanted.value_or(kept)) {
        const auto found = std::find(kept.begin(), kept.end(), layer);
        if (found == kept.end())
            fail("{} holds no states of layer {}; it has {}", name, layer, list_text(kept));
        places.push_back(found - kept.begin());
    }
    return places;
}

/// Reads of a store, or copies from memory, at one time.
constexpr int kReaders = 4;

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
        // In the classification task the pooled output stands before the layers.
        const std::int64_t before = store_.states() - static_cast<std::int64_t>(info_.layers.size());
        for (std::int64_t s = 0; s < before; ++s) picked_.push_back(s);
        for (const std::int64_t place : places_of(layers, info_.layers, name()))
            picked_.push_back(before + place);
        if (layers) info_.layers = *layers;

        const std::int64_t bytes = info_.states() * store_.rows() * info_.row_bytes();
        if (static_cast<double>(bytes) <= cache_gib * 1024 * 1024 * 1024) {
            FeatureBatches all{store_.layout().original};
            memory_ = read_batches(all).front().states;  // not page-locked: it may be too large for that
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
            batch = describe(features_, which, info_.task == "span");
            batch.states = host_memory({info_.states(), batch.rows(), info_.hidden_size},
                                       scalar_type_of(info_.dtype), device_);
        }
        return prepared;
    }

    /// All features of the batches, ordered by their places in the store.
    std::vector<Target> targets_of(const std::vector<StateBatch>& batches) const {
        std::vector<Target> targets;
        for (const StateBatch& batch : batches) {
            for (std::size_t b = 0; b < batch.examples.size(); ++b) {
                targets.push_back({position_of_[static_cast<std::size_t>(batch.examples[b])], &batch.states,
                                   batch.starts[b]});
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

    std::vector<StateBatch> read_batches(const FeatureBatches& batches) const {
        std::vector<StateBatch> result = prepare(batches);
        const std::vector<Target> targets = targets_of(result);
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
        return result;
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

class CheckpointSource final : public StateSource {
  public:
    CheckpointSource(const std::filesystem::path& checkpoint, const std::filesystem::path& features,
                     const std::string& task, at::Device device, const Layers& layers)
        : name_(checkpoint.string() + " over " + features.string()),
          features_(read_features(features)),
          model_(Model::load(checkpoint, task_named(task), Use::states)),
          device_(device) {
        require_fit(features_, features, checkpoint, model_.config());
        std::vector<std::int64_t> all(static_cast<std::size_t>(model_.config().states()));
        std::iota(all.begin(), all.end(), 0);
        info_.task = task;
        info_.layers = all;
        info_.hidden_size = model_.config().hidden_size;
        info_.checkpoint = weights_fingerprint(checkpoint);
        const auto tuned = read_checkpoint(checkpoint);
        if (tuned && tuned->task != task) {
            fail("{} was fine-tuned for the {} task, but the heads are for the {} task", checkpoint.string(),
                 tuned->task, task);
        }
        info_.epoch = tuned ? tuned->epoch.text() : EpochFraction().text();
        info_.features = features_.fingerprint();
        layout_ = lay_out_states(info_, model_.config().states(), features_, 0);
        const std::int64_t before = info_.states() - static_cast<std::int64_t>(all.size());
        for (std::int64_t s = 0; s < before; ++s) picked_.push_back(s);
        for (const std::int64_t place : places_of(layers, all, name_)) picked_.push_back(before + place);
        if (layers) info_.layers = *layers;
        info_.dtype = DType::f32;
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const StoreLayout& layout() const override { return layout_; }
    bool worth_reading_ahead() const override { return false; }
    void multiply_in(at::ScalarType precision) override {
        model_.to(device_, precision);
        model_.freeze();
        info_.precision = name_of(dtype_of(precision));
    }
    std::string name() const override { return name_; }

    std::vector<StateBatch> read(const FeatureBatches& batches) const override {
        const c10::NoGradGuard no_graph;
        std::vector<StateBatch> result;
        for (const std::vector<std::int64_t>& which : batches) {
            StateBatch& batch = result.emplace_back();
            if (which.empty()) continue;
            batch = describe(features_, which, info_.task == "span");
            const Batch tokens = make_batch(features_, which).to(device_);
            const std::vector<at::Tensor> all = task_states(model_, tokens);
            require_finite(all, tokens, features_);
            std::vector<at::Tensor> wanted;
            for (const std::int64_t s : picked_) wanted.push_back(all[static_cast<std::size_t>(s)]);
            batch.states = at::stack(wanted);
        }
        return result;
    }

  private:
    std::string name_;
    Features features_;
    Model model_;
    at::Device device_;
    StoreInfo info_;
    StoreLayout layout_;
    std::vector<std::int64_t> picked_;  // the numbers of the wanted states in the result of task_states
};

}  // namespace

std::vector<std::int64_t> StateSource::rows_of_features() const {
    return state_rows(features(), info().task);
}

std::unique_ptr<StateSource> open_store(const std::filesystem::path& path, double cache_gib,
                                        const Layers& layers, at::Device device) {
    return std::make_unique<StoreSource>(path, cache_gib, layers, device);
}

std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, const std::string& task,
                                             at::Device device, const Layers& layers) {
    return std::make_unique<CheckpointSource>(checkpoint, features, task, device, layers);
}

}  // namespace bv
