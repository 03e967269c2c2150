// States on their way to a GPU, and the bits of training there.
#include <cstdlib>

#include <ATen/ATen.h>

#include "bert/model.hpp"
#include "device/copy_stream.hpp"
#include "device/device.hpp"
#include "heads/head_definition.hpp"
#include "helpers/on_gpu.hpp"
#include "helpers/random_source.hpp"
#include "helpers/small_batch.hpp"
#include "programs/train/optimizer_step.hpp"
#include "states/feed.hpp"

namespace bv {
namespace {

using StatesOnGpu = OnGpu<testing::Test>;

TEST_F(StatesOnGpu, AreThoseThatWereRead) {
    const RandomSource source;
    StateFeed feed(source, {{{3, 17}, {20, 0, 5}}, {{8}, {}, {1, 2}}}, device_);
    for (const std::vector<std::int64_t>& which : FeatureBatches{{3, 17}, {20, 0, 5}, {8}, {}, {1, 2}}) {
        const StateBatch found = feed.next();
        EXPECT_EQ(found.packed->examples, which);
        if (which.empty()) continue;
        const StateBatch expected = source.read({which}).front();
        EXPECT_TRUE(found.states.cpu().equal(expected.states));
        EXPECT_TRUE(found.packed->end_labels.cpu().equal(expected.packed->end_labels));
    }
}

TEST_F(StatesOnGpu, ComeBackWhileTheGpuComputes) {
    CopyStream copies(device_);
    const at::Tensor values = at::randn({1 << 20});
    const at::Tensor made = host_memory({1 << 20}, at::kHalf, device_);
    EXPECT_TRUE(made.is_pinned());
    copies.to_host(values.to(device_) * 2, made);
    copies.wait();
    EXPECT_TRUE(made.equal((values * 2).to(at::kHalf)));
}

/// One rank, whose GPU is opened as programs do: operations that have no deterministic kernel throw.
class TrainingOnGpu : public OnGpu<testing::Test> {
  protected:
    void SetUp() override {
        OnGpu::SetUp();
        if (IsSkipped()) return;
        setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
        open_device({.device = "cuda", .threads = 1}, ranks());
    }

    static const Communicator& ranks() {
        static const Mpi mpi;
        static const Communicator one;
        return one;
    }

    /// Loss and gradients of a model whose heads are 64 wide, with dropout.
    at::Tensor loss_and_gradients(at::ScalarType precision) const {
        BertConfig config = small_config();
        config.hidden_size = 256;
        config.heads = 4;
        config.intermediate_size = 512;
        config.positions = 512;
        Model model(config, Task::span, 3);
        model.to(device_, precision);
        for (const Parameter& parameter : model.trainable()) parameter.tensor.set_requires_grad(true);
        const Batch batch =
            batch_of(features_of_lengths({400, 12, 390, 33, 500}), {0, 1, 2, 3, 4}).to(device_);
        const DropoutKey key{4, 19};
        const at::Tensor loss = model.loss(batch, model.logits(batch, &key));
        loss.backward();
        std::vector<at::Tensor> all{loss.detach().flatten()};
        for (const Parameter& parameter : model.trainable()) all.push_back(parameter.tensor.grad().flatten());
        return at::cat(all).cpu();
    }

    /// A head's values after three steps on random states.
    at::Tensor trained(const HeadDefinition& definition) const {
        constexpr std::int64_t kWidth = 1024;
        const std::int64_t states = definition.each_layer ? 1 : 3;
        at::manual_seed(5);
        StateBatch batch;
        const std::vector<std::int64_t> tokens{40, 3, 200, 77};
        PackedSequences packed = pack({0, 1, 2, 3}, tokens);
        packed.no_answer = at::tensor({0, 1, 1, 0}, at::kLong);
        if (definition.task == Task::classification) packed = packed.one_row_each();
        batch.packed = std::make_shared<PackedSequences>(packed.to(device_));
        batch.states = at::randn({states, batch.rows(), kWidth}).to(device_);
        Collective& collective = make_collective(ranks(), device_.index());
        HeadTrainer trainer(Head(definition, states, kWidth, {7, 8}), {1e-3, 1e-2}, device_, collective);
        for (int step = 0; step < 3; ++step) trainer.step(batch, batch.sequences());
        std::vector<at::Tensor> all;
        for (const NamedTensor& parameter : trainer.head().parameters())
            all.push_back(parameter.tensor.detach().flatten());
        return at::cat(all).cpu();
    }
};

TEST_F(TrainingOnGpu, GivesBertTheSameGradientsEachTime) {
    for (const at::ScalarType precision : {at::kFloat, at::kBFloat16}) {
        const at::Tensor first = loss_and_gradients(precision);
        for (int time = 0; time < 3; ++time) {
            EXPECT_TRUE(first.equal(loss_and_gradients(precision))) << precision;
        }
    }
}

TEST_F(TrainingOnGpu, GivesEveryHeadTheSameValuesEachTime) {
    for (const BuiltInHead& head : built_in_heads()) {
        const HeadDefinition definition = find_head(std::string(head.name));
        EXPECT_TRUE(trained(definition).equal(trained(definition))) << head.name;
    }
}

}  // namespace
}  // namespace bv
