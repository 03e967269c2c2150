#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/sharding.hpp"
#include "helpers/random_source.hpp"
#include "programs/shared/head_logits.hpp"
#include "programs/train/optimizer_step.hpp"

namespace bv {
namespace {

/// Sums nothing: the collective of a rank that trains alone.
class Alone final : public Collective {
  public:
    std::string_view name() const override { return "alone"; }
    void all_reduce(float*, std::int64_t) override {}
    void start_all_reduce(float*, std::int64_t) override {}
    void poll() override {}
    void wait() override {}
    void broadcast(float*, std::int64_t, int) override {}
};

/// Trains heads on two epochs of `source`, rank `rank` of `size`, in batches of 4: the last one has a single
/// sequence.
void train_two_epochs(const StateSource& source, const std::vector<HeadTrainer*>& heads, int rank, int size) {
    const std::vector<std::int64_t> tokens = source.rows_of_features();
    for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
        const auto order = epoch_order(1, epoch, source.features().count());
        for (std::int64_t step = 0; step < steps_per_epoch(source.features().count(), 4); ++step) {
            const auto global = batch_of_step(order, 4, step);
            const auto share = split_by_tokens(global, tokens, size)[static_cast<std::size_t>(rank)];
            const StateBatch batch = source.read({share}).front();
            const auto count = static_cast<std::int64_t>(global.size());
            for (HeadTrainer* head : heads) head->step(batch, count);
        }
    }
}

/// A built-in head, or one with everything that knows of training: batch normalisation of images and of
/// vectors, and dropout.
Head new_head(const std::string& name, const std::vector<std::uint64_t>& seeds = {5}) {
    constexpr const char* kTrained = R"(task = "span"
blocks = [
    { type = "conv", filters = 4, kernel = 3, tokens = 3, bias = false },
    { type = "batch_norm" },
    { type = "relu" },
    { type = "dropout", rate = 0.3 },
    { type = "flatten" },
    { type = "batch_norm" },
    { type = "gelu" },
    { type = "linear", width = 2 },
])";
    return Head(name == "normalised" ? parse_head(name, kTrained, "test") : find_head(name), 3, 8, seeds);
}

TEST(HeadTrainer, TrainsTheSameHeadOnAnyNumberOfRanks) {
    const Communicator ranks;
    MpiCollective together(ranks);
    Alone nobody;
    const RandomSource source;
    for (const char* name :
         {"learned_pooling", "adapter_64_shared_skip", "adapter_64_unshared", "normalised"}) {
        HeadTrainer spread(new_head(name), {1e-3}, at::kCPU, together);
        HeadTrainer alone(new_head(name), {1e-3}, at::kCPU, nobody);
        train_two_epochs(source, {&spread}, ranks.rank(), ranks.size());
        train_two_epochs(source, {&alone}, 0, 1);
        EXPECT_EQ(spread.steps(), 12);
        for (std::size_t i = 0; i < spread.head().parameters().size(); ++i) {
            const NamedTensor& parameter = alone.head().parameters()[i];
            // A softmax over tokens is blind to the last bias: its gradient is rounding, which Adam makes
            // steps of.
            if (parameter.name.ends_with("linear.bias")) continue;
            EXPECT_FALSE(parameter.tensor.equal(new_head(name).parameters()[i].tensor)) << parameter.name;
            EXPECT_TRUE(at::allclose(spread.head().parameters()[i].tensor, parameter.tensor, 1e-3, 1e-6))
                << name << " " << parameter.name;
        }
        for (std::size_t i = 0; i < spread.head().buffers().size(); ++i) {
            const NamedTensor& buffer = alone.head().buffers()[i];
            EXPECT_FALSE(buffer.tensor.equal(new_head(name).buffers()[i].tensor)) << buffer.name;
            EXPECT_TRUE(at::allclose(spread.head().buffers()[i].tensor, buffer.tensor, 1e-4, 1e-6))
                << name << " " << buffer.name;
        }
        EXPECT_NEAR(ranks.sum(spread.losses()[0]), alone.losses()[0], 1e-3);
    }
}

TEST(HeadTrainer, GivesAHeadTheSameBitsInCompanyAsAlone) {
    const Communicator ranks;
    MpiCollective collective(ranks);
    const RandomSource source;
    HeadTrainer first(new_head("adapter_64_shared"), {1e-3}, at::kCPU, collective);
    HeadTrainer second(new_head("learned_pooling"), {1e-3}, at::kCPU, collective);
    HeadTrainer third(new_head("adapter_386_shared_skip"), {1e-3}, at::kCPU, collective);
    train_two_epochs(source, {&first, &second, &third}, ranks.rank(), ranks.size());
    HeadTrainer alone(new_head("learned_pooling"), {1e-3}, at::kCPU, collective);
    train_two_epochs(source, {&alone}, ranks.rank(), ranks.size());
    for (std::size_t i = 0; i < alone.head().parameters().size(); ++i) {
        EXPECT_TRUE(alone.head().parameters()[i].tensor.equal(second.head().parameters()[i].tensor));
    }
}

TEST(HeadTrainer, TrainsAlikeHeadsTogetherAsEachAlone) {
    const Communicator ranks;
    MpiCollective collective(ranks);
    const RandomSource source;
    for (const char* name : {"learned_pooling", "average_pooling", "adapter_64_shared_skip",
                             "adapter_64_unshared", "learned_pooling_adapter_386", "cnn_1xn",
                             "adapter_386_shared_skip_learned_pooling", "normalised"}) {
        const std::vector<std::uint64_t> seeds{5, 6, 7};
        const std::vector<double> rates{3e-3, 1e-3, 3e-3};
        HeadTrainer together(new_head(name, seeds), rates, at::kCPU, collective);
        train_two_epochs(source, {&together}, ranks.rank(), ranks.size());
        for (std::size_t k = 0; k < seeds.size(); ++k) {
            HeadTrainer alone(new_head(name, {seeds[k]}), {rates[k]}, at::kCPU, collective);
            train_two_epochs(source, {&alone}, ranks.rank(), ranks.size());
            EXPECT_NEAR(together.losses()[k], alone.losses()[0], 1e-5 * alone.losses()[0]) << name;
            for (std::size_t i = 0; i < alone.head().parameters().size(); ++i) {
                const NamedTensor& parameter = alone.head().parameters()[i];
                if (parameter.name.ends_with("linear.bias")) continue;  // see above
                // To other biases a softmax over tokens is all but blind.
                const double tolerance = parameter.name.ends_with("bias") ? 1e-3 : 1e-4;
                const at::Tensor other = together.head().parameters()[i].tensor[static_cast<std::int64_t>(k)];
                EXPECT_LE((other - parameter.tensor[0]).norm().item<double>(),
                          tolerance * parameter.tensor.norm().item<double>())
                    << name << " " << parameter.name;
            }
        }
    }
}

TEST(HeadTrainer, AHeadThatDivergesChangesNoOtherBesideIt) {
    const Communicator ranks;
    MpiCollective collective(ranks);
    const RandomSource source;
    for (const char* name : {"learned_pooling", "adapter_64_shared_skip", "cnn_1xn", "normalised"}) {
        HeadTrainer together(new_head(name, {5, 6, 7}), {3e-3, 1e30, 1e-3}, at::kCPU, collective);
        train_two_epochs(source, {&together}, ranks.rank(), ranks.size());
        EXPECT_FALSE(std::isfinite(ranks.sum(together.losses()[1]))) << name;
        EXPECT_THAT(together.finite(), testing::ElementsAre(true, false, true)) << name;
        for (const std::int64_t k : {0, 2}) {
            HeadTrainer alone(new_head(name, {k == 0 ? 5U : 7U}), {k == 0 ? 3e-3 : 1e-3}, at::kCPU,
                              collective);
            train_two_epochs(source, {&alone}, ranks.rank(), ranks.size());
            const double loss = together.losses()[static_cast<std::size_t>(k)];
            EXPECT_NEAR(loss, alone.losses()[0], 1e-5 * alone.losses()[0]) << name;
            for (std::size_t i = 0; i < alone.head().parameters().size(); ++i) {
                const NamedTensor& parameter = alone.head().parameters()[i];
                if (parameter.name.ends_with("linear.bias")) continue;  // see above
                const double tolerance = parameter.name.ends_with("bias") ? 1e-3 : 1e-4;
                const at::Tensor other = together.head().parameters()[i].tensor[k];
                EXPECT_LE((other - parameter.tensor[0]).norm().item<double>(),
                          tolerance * parameter.tensor.norm().item<double>())
                    << name << " " << parameter.name;
            }
        }
    }
}

TEST(HeadTrainer, GoesOnFromTheStatesOfSomeOfItsHeads) {
    const Communicator ranks;
    MpiCollective collective(ranks);
    const RandomSource source;
    HeadTrainer three(new_head("normalised", {5, 6, 7}), {3e-3, 1e-3, 2e-3}, at::kCPU, collective);
    train_two_epochs(source, {&three}, ranks.rank(), ranks.size());
    HeadTrainer two(new_head("normalised", {5, 7}), {3e-3, 2e-3}, at::kCPU, collective);
    two.restore(0, three.state(0));
    two.restore(1, three.state(2));
    EXPECT_EQ(two.steps(), three.steps());
    train_two_epochs(source, {&three, &two}, ranks.rank(), ranks.size());
    const auto differs = [&](std::size_t i, std::int64_t of_two, std::int64_t of_three) {
        const at::Tensor found = two.head().parameters()[i].tensor[of_two];
        const at::Tensor wanted = three.head().parameters()[i].tensor[of_three];
        return (found - wanted).norm().item<double>() > 1e-4 * wanted.norm().item<double>();
    };
    for (std::size_t i = 0; i < two.head().parameters().size(); ++i) {
        const std::string& name = two.head().parameters()[i].name;
        if (name.ends_with("linear.bias")) continue;  // see above
        EXPECT_FALSE(differs(i, 0, 0)) << name;
        EXPECT_FALSE(differs(i, 1, 2)) << name;
        EXPECT_TRUE(differs(i, 1, 1)) << name;
    }
}

TEST(PredictHeads, GivesEachTokenItsOwnLogitsOnAnyNumberOfRanks) {
    const Communicator ranks;
    MpiCollective collective(ranks);
    const RandomSource source;
    const Head first = new_head("learned_pooling");
    const Head second = new_head("adapter_64_shared");
    const Head third = new_head("adapter_64_shared", {6});
    const Head alike = new_head("adapter_64_shared", {5, 6});
    const auto logits = predict_heads({{&first}, {&alike}}, source, 2, at::kCPU, ranks, collective);
    const std::vector<const Head*> heads{&first, &second, &third};
    ASSERT_EQ(logits.size(), heads.size());
    for (std::size_t k = 0; k < heads.size(); ++k) {
        const auto& found = std::get<SpanLogits>(logits[k]);
        for (std::int64_t f = 0; f < source.features().count(); ++f) {
            const at::Tensor own = heads[k]->forward(source.read({{f}}).front());
            for (std::int64_t t = 0; t < own.size(1); ++t) {
                const auto row =
                    static_cast<std::size_t>(source.features().starts[static_cast<std::size_t>(f)] + t);
                ASSERT_NEAR(found.start[row], own[0][t][0].item<float>(), 1e-5);
                ASSERT_NEAR(found.end[row], own[0][t][1].item<float>(), 1e-5);
            }
        }
    }
}

TEST(PredictHeads, GivesAHeadForEachLayerItsStateAlone) {
    const Communicator ranks;
    MpiCollective collective(ranks);
    const RandomSource source;
    const Head probe(find_head("span_probe"), 1, 8, {1});
    const auto logits = predict_heads({{&probe, 2}}, source, 2, at::kCPU, ranks, collective);
    StateBatch batch = source.read({{7}}).front();
    const at::Tensor own = probe.forward(batch.with_states(2, 1));
    const auto row = static_cast<std::size_t>(source.features().starts[7]);
    EXPECT_NEAR(std::get<SpanLogits>(logits[0]).start[row], own[0][0][0].item<float>(), 1e-5);
    EXPECT_GT(
        std::abs(own[0][0][0].item<float>() - probe.forward(batch.with_states(1, 1))[0][0][0].item<float>()),
        1e-3);
}

TEST(FirstState, OfAHeadForEachLayerIsThePlaceOfItsOwn) {
    StoreInfo info;
    info.layers = {0, 2, 5};
    HeadOrigin origin;
    origin.layers = {2};
    for (const Task task : {Task::span, Task::classification}) {
        info.task = task;
        const Head probe(find_head(to_string(task) + "_probe"), 1, 8, {1});
        EXPECT_EQ(first_state(probe, origin, info), task == Task::span ? 1 : 2);
    }
    EXPECT_EQ(first_state(new_head("learned_pooling"), origin, info), 0);
}

TEST(RequireFit, WantsTheOneLayerOfAHeadForEachLayer) {
    const RandomSource source;
    const Head probe(find_head("span_probe"), 1, 8, {1});
    HeadOrigin origin;
    origin.checkpoint = "one";
    origin.layers = {2};
    EXPECT_FALSE(require_head_fits(probe, origin, source, false));
    origin.layers = {3};
    EXPECT_THAT([&] { require_head_fits(probe, origin, source, false); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("from the layers 3,")));
}

TEST(RequireFit, RefusesStatesOfAnotherCheckpointUnlessAllowed) {
    RandomSource source;
    const Head head = new_head("learned_pooling");
    HeadOrigin origin;
    origin.layers = {0, 1, 2};
    origin.checkpoint = "another";
    EXPECT_THAT([&] { require_head_fits(head, origin, source, false); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("--allow-other-checkpoint")));
    EXPECT_TRUE(require_head_fits(head, origin, source, true));
    origin.checkpoint = "one";
    EXPECT_FALSE(require_head_fits(head, origin, source, false));
    origin.layers = {0, 2, 3};
    EXPECT_THAT([&] { require_head_fits(head, origin, source, true); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("0,2,3")));
    source.info_.task = Task::classification;
    EXPECT_THAT([&] { require_head_fits(head, origin, source, true); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("classification")));
}

}  // namespace
}  // namespace bv
