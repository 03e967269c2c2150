
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "optim/checkpoint.hpp"
#include "squad/features/features_file.hpp"
#include "states/compatibility.hpp"
#include "states/loaded_checkpoint.hpp"
#include "states/state_source.hpp"
#include "states/task_states.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

class CheckpointSource final : public StateSource {
  public:
    CheckpointSource(std::shared_ptr<LoadedCheckpoint> checkpoint, Features features, std::string name,
                     at::Device device, const Layers& layers)
        : name_(std::move(name)),
          features_(std::move(features)),
          checkpoint_(std::move(checkpoint)),
          device_(device) {
        const Model& model = checkpoint_->model;
        info_.task = model.task();
        info_.layers = layers_of_model({}, model.config().states());
        info_.hidden_size = model.config().hidden_size;
        info_.checkpoint = checkpoint_->fingerprint;
        info_.epoch = checkpoint_->epoch;
        info_.features = features_.fingerprint();
        layout_ = lay_out_states(info_, model.config().states(), features_, 0);
        picked_ = pick(layers, info_, name_);
        info_.dtype = DType::f32;
    }

    const StoreInfo& info() const override { return info_; }
    const Features& features() const override { return features_; }
    const StoreLayout& layout() const override { return layout_; }
    bool worth_reading_ahead() const override { return false; }
    void multiply_in(at::ScalarType precision) override {
        checkpoint_->model.to(device_, precision);
        checkpoint_->model.freeze();
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
            const std::vector<at::Tensor> all = task_states(checkpoint_->model, tokens);
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
    std::shared_ptr<LoadedCheckpoint> checkpoint_;
    at::Device device_;
    StoreInfo info_;
    StoreLayout layout_;
    std::vector<std::int64_t> picked_;  // the numbers of the wanted states in the result of task_states
};

}  // namespace

LoadedCheckpoint LoadedCheckpoint::load(const std::filesystem::path& folder, Task task, Use use) {
    Model model = Model::load(folder, task, use);
    const auto tuned = read_checkpoint(folder);
    if (tuned && tuned->task != task) {
        fail("{} was fine-tuned for the {} task, but the heads are for the {} task", folder.string(),
             tuned->task, task);
    }
    return {std::move(model), model_fingerprint(folder),
            tuned ? tuned->epoch.text() : EpochFraction().text()};
}

std::unique_ptr<StateSource> states_of(std::shared_ptr<LoadedCheckpoint> checkpoint, Features features,
                                       std::string name, at::Device device, const Layers& layers) {
    return std::make_unique<CheckpointSource>(std::move(checkpoint), std::move(features), std::move(name),
                                              device, layers);
}

std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, Task task,
                                             at::Device device, const Layers& layers) {
    Features table = read_features(features);
    auto loaded = std::make_shared<LoadedCheckpoint>(LoadedCheckpoint::load(checkpoint, task, Use::states));
    require_fit(table, features, checkpoint, loaded->model.config());
    return states_of(std::move(loaded), std::move(table), checkpoint.string() + " over " + features.string(),
                     device, layers);
}

}  // namespace bv
