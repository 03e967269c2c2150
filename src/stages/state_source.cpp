#include "stages/state_source.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "optim/checkpoint.hpp"
#include "optim/tensor_files.hpp"
#include "squad/features_file.hpp"
#include "stages/fit.hpp"
#include "stages/task_states.hpp"
#include "store/store.hpp"

namespace bv {
namespace {

/// A batch without states: examples, starts and labels.
StateBatch describe(const Features& features, std::span<const std::int64_t> which, bool row_is_token) {
    StateBatch batch;
    batch.examples.assign(which.begin(), which.end());
    batch.starts.push_back(0);
    std::vector<std::int64_t> start, end, no_answer;
    for (const std::int64_t f : which) {
        const auto i = static_cast<std::size_t>(f);
        batch.starts.push_back(batch.starts.back() + (row_is_token ? features.tokens_of(f) : 1));
        start.push_back(features.start_label[i]);
        end.push_back(features.end_label[i]);
        no_answer.push_back(features.no_answer(f) ? 1 : 0);
    }
    batch.start_labels = at::tensor(start, at::kLong);
    batch.end_labels = at::tensor(end, at::kLong);
    batch.no_answer = at::tensor(no_answer, at::kLong);
    return batch;
}

class StoreSource final : public StateSource {
  public:
    StoreSource(const std::filesystem::path& path, double cache_gib)
        : store_(path), features_(read_features(path)) {
        if (features_.count() != store_.features()) {
            fail("{} has states of {} features and a table of {}", path.string(), store_.features(),
                 features_.count());
        }
        position_of_.resize(store_.original().size());
        for (std::size_t p = 0; p < position_of_.size(); ++p) {
            position_of_[static_cast<std::size_t>(store_.original()[p])] = p;
        }
        require_rows();
        const std::int64_t bytes = store_.states() * store_.rows() * store_.row_bytes();
        if (static_cast<double>(bytes) <= cache_gib * 1024 * 1024 * 1024) {
            memory_ = empty(store_.rows());
            for (std::int64_t s = 0; s < store_.states(); ++s) {
                store_.read(s, 0, store_.rows(), memory_[s].data_ptr());
            }
        }
    }

    const StoreInfo& info() const override { return store_.info(); }
    const Features& features() const override { return features_; }
    const std::vector<std::int64_t>& reading_order() const override { return store_.original(); }
    bool worth_reading_ahead() const override { return true; }
    std::string name() const override { return store_.path().string(); }

    StateBatch read(std::span<const std::int64_t> which) const override {
        StateBatch batch = describe(features_, which, info().task == "span");
        batch.states = empty(batch.rows());
        for (std::size_t first = 0; first < which.size();) {
            // Neighbours in the store are one read.
            std::size_t last = first + 1;
            while (last < which.size() && position(which[last]) == position(which[last - 1]) + 1) ++last;
            copy_rows(store_.starts()[position(which[first])], batch.starts[last] - batch.starts[first],
                      batch.states, batch.starts[first]);
            first = last;
        }
        return batch;
    }

  private:
    std::size_t position(std::int64_t feature) const {
        return position_of_[static_cast<std::size_t>(feature)];
    }

    at::Tensor empty(std::int64_t rows) const {
        return at::empty({store_.states(), rows, store_.hidden_size()}, scalar_type_of(info().dtype));
    }

    void require_rows() const {
        const std::vector<std::int64_t> rows = rows_of_features();
        for (std::size_t f = 0; f < rows.size(); ++f) {
            const std::size_t p = position_of_[f];
            const std::int64_t found = store_.starts()[p + 1] - store_.starts()[p];
            if (found != rows[f]) {
                fail("{} has {} rows of states for feature {}, which has {} in its table", name(), found, f,
                     rows[f]);
            }
        }
    }

    void copy_rows(std::int64_t from, std::int64_t rows, at::Tensor& states, std::int64_t to) const {
        for (std::int64_t s = 0; s < store_.states(); ++s) {
            auto* target =
                static_cast<char*>(states.data_ptr()) + (s * states.size(1) + to) * store_.row_bytes();
            if (memory_.defined()) {
                const auto* source = static_cast<const char*>(memory_.data_ptr()) +
                                     (s * store_.rows() + from) * store_.row_bytes();
                std::memcpy(target, source, static_cast<std::size_t>(rows * store_.row_bytes()));
            } else {
                store_.read(s, from, rows, target);
            }
        }
    }

    Store store_;
    Features features_;
    std::vector<std::size_t> position_of_;  // (F) place of a feature in the store
    at::Tensor memory_;                     // all states, or undefined
};

class CheckpointSource final : public StateSource {
  public:
    CheckpointSource(const std::filesystem::path& checkpoint, const std::filesystem::path& features,
                     const std::string& task, const Compute& compute)
        : name_(checkpoint.string() + " over " + features.string()),
          features_(read_features(features)),
          model_(Model::load(checkpoint, task_named(task), 0)),
          device_(compute.device) {
        require_fit(features_, features, checkpoint, model_.config());
        model_.to(compute.device, compute.precision);
        info_.task = task;
        info_.dtype = DType::f32;
        info_.layers.resize(static_cast<std::size_t>(model_.config().states()));
        std::iota(info_.layers.begin(), info_.layers.end(), 0);
        info_.hidden_size = model_.config().hidden_size;
        info_.checkpoint = weights_fingerprint(checkpoint);
        const auto tuned = read_checkpoint(checkpoint);
        if (tuned && tuned->task != task) {
            fail("{} was fine-tuned for the {} task, the heads are for {}", checkpoint.string(), tuned->task,
                 task);
        }
        info_.epoch = tuned ? tuned->epoch.text() : EpochFraction().text();
        info_.features = features_.fingerprint();
        order_.resize(static_cast<std::size_t>(features_.count()));
        std::iota(order_.begin(), order_.end(), 0);
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const std::vector<std::int64_t>& reading_order() const override { return order_; }
    bool worth_reading_ahead() const override { return false; }
    std::string name() const override { return name_; }

    StateBatch read(std::span<const std::int64_t> which) const override {
        const c10::NoGradGuard no_graph;
        const Batch tokens = make_batch(features_, which).to(device_);
        StateBatch batch = describe(features_, which, info_.task == "span");
        batch.states = at::stack(task_states(model_, tokens));
        return batch;
    }

  private:
    std::string name_;
    Features features_;
    Model model_;
    at::Device device_;
    StoreInfo info_;
    std::vector<std::int64_t> order_;
};

}  // namespace

std::vector<std::int64_t> StateSource::rows_of_features() const {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(features().count()), 1);
    if (info().task != "span") return rows;
    for (std::size_t f = 0; f < rows.size(); ++f)
        rows[f] = features().tokens_of(static_cast<std::int64_t>(f));
    return rows;
}

std::unique_ptr<StateSource> open_store(const std::filesystem::path& path, double cache_gib) {
    return std::make_unique<StoreSource>(path, cache_gib);
}

std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, const std::string& task,
                                             const Compute& compute) {
    return std::make_unique<CheckpointSource>(checkpoint, features, task, compute);
}

}  // namespace bv
