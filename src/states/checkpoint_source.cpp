#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "optim/checkpoint.hpp"
#include "squad/features/features_file.hpp"
#include "states/compatibility.hpp"
#include "states/state_source.hpp"
#include "states/task_states.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

class CheckpointSource final : public StateSource {
  public:
    CheckpointSource(const std::filesystem::path& checkpoint, const std::filesystem::path& features,
                     Task task, at::Device device, const Layers& layers)
        : name_(checkpoint.string() + " over " + features.string()),
          features_(read_features(features)),
          model_(Model::load(checkpoint, task, Use::states)),
          device_(device) {
        require_fit(features_, features, checkpoint, model_.config());
        info_.task = task;
        info_.layers.resize(static_cast<std::size_t>(model_.config().states()));
        std::iota(info_.layers.begin(), info_.layers.end(), 0);
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
        picked_ = pick(layers, info_, name_);
        info_.dtype = DType::f32;
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const StoreLayout& layout() const override { return layout_; }
    bool worth_reading_ahead() const override { return false; }
    void multiply_in(at::ScalarType precision) override {
        model_.to(device_, precision);
        model_.freeze();
        info_.precision = dtype_of(precision);
    }
    std::string name() const override { return name_; }

    std::vector<StateBatch> read(const FeatureBatches& batches) const override {
        const c10::NoGradGuard no_graph;
        std::vector<StateBatch> result;
        for (const std::vector<std::int64_t>& which : batches) {
            StateBatch& batch = result.emplace_back();
            if (which.empty()) continue;
            batch = describe(features_, which, info_.task == Task::span);
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

std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, Task task,
                                             at::Device device, const Layers& layers) {
    return std::make_unique<CheckpointSource>(checkpoint, features, task, device, layers);
}

}  // namespace bv
