#include "adapter/head.hpp"

#include <numeric>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include "random_states.hpp"

namespace bv {
namespace {

Head head_named(const std::string& name, std::int64_t states, std::int64_t hidden_size,
                std::uint64_t seed = 1) {
    return Head(find_head(name), states, hidden_size, seed);
}

struct Count {
    const char* head;
    std::int64_t states;
    std::int64_t parameters;
};

class PublishedHead : public testing::TestWithParam<Count> {};

TEST_P(PublishedHead, HasThePublishedNumberOfParametersOverBertLarge) {
    EXPECT_EQ(head_named(GetParam().head, GetParam().states, 1024).parameter_count(), GetParam().parameters);
}

INSTANTIATE_TEST_SUITE_P(Zoo, PublishedHead,
                         testing::Values(Count{"learned_pooling", 25, 2'076},                //
                                         Count{"adapter_64_shared", 25, 68'802},             //
                                         Count{"adapter_64_shared_skip", 25, 70'850},        //
                                         Count{"adapter_64_unshared", 25, 1'643'202},        //
                                         Count{"adapter_64_unshared_skip", 25, 1'645'250},   //
                                         Count{"adapter_386_shared", 25, 414'952},           //
                                         Count{"adapter_386_shared_skip", 25, 417'000},      //
                                         Count{"adapter_386_unshared", 25, 9'910'552},       //
                                         Count{"adapter_386_unshared_skip", 25, 9'912'600},  //
                                         Count{"learned_pooling_adapter_386", 25, 398'498},  //
                                         Count{"tenney_small", 26, 2'077},                   //
                                         Count{"adapter_pooler_tenney", 26, 398'499},        //
                                         Count{"adapter_pooler_mean", 26, 398'472}),
                         [](const auto& about) { return std::string(about.param.head); });

TEST(PublishedHeads, AreAllTheBuiltInOnes) {
    EXPECT_EQ(built_in_heads().size(), 13U);
}

class EveryHead : public testing::TestWithParam<std::string> {
  protected:
    static constexpr std::int64_t kStates = 4;
    static constexpr std::int64_t kHidden = 12;

    Head make(std::uint64_t seed = 1) const { return head_named(GetParam(), kStates, kHidden, seed); }

    StateBatch batch() const {
        const bool span = find_head(GetParam()).task == "span";
        return random_states(
            kStates, kHidden,
            span ? std::vector<std::int64_t>{5, 1, 9, 3} : std::vector<std::int64_t>{1, 1, 1, 1});
    }
};

TEST_P(EveryHead, GivesASequenceTheSameLogitsWhateverItsNeighbours) {
    const Head head = make();
    const StateBatch all = batch();
    const at::Tensor together = head.forward(all);
    for (std::int64_t b = 0; b < all.sequences(); ++b) {
        const StateBatch one = alone(all, b);
        const at::Tensor own = together.narrow(0, all.starts[static_cast<std::size_t>(b)], one.rows());
        EXPECT_TRUE(at::allclose(own, head.forward(one), 1e-6, 1e-7)) << "sequence " << b;
    }
}

TEST_P(EveryHead, HasTheGradientOfItsLoss) {
    // In float64, so that central differences are good to many digits.
    Head head = make();
    StateBatch states = batch();
    states.states = states.states.to(at::kDouble);
    for (const NamedTensor& parameter : head.parameters()) {
        parameter.tensor.set_data(parameter.tensor.to(at::kDouble) * 100);
        parameter.tensor.set_requires_grad(true);
    }
    const auto loss = [&] { return head_loss(head.definition().task, states, head.forward(states)); };
    loss().backward();
    const c10::NoGradGuard no_graph;
    constexpr double kStep = 1e-6;
    for (const NamedTensor& parameter : head.parameters()) {
        const at::Tensor flat = parameter.tensor.view({-1});
        const at::Tensor gradient = parameter.tensor.grad().reshape({-1});
        for (std::int64_t i = 0; i < flat.numel(); i += 1 + flat.numel() / 5) {
            const double value = flat[i].item<double>();
            flat[i].fill_(value + kStep);
            const double above = loss().item<double>();
            flat[i].fill_(value - kStep);
            const double below = loss().item<double>();
            flat[i].fill_(value);
            EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 2e-5)
                << parameter.name << " " << i;
        }
    }
}

TEST_P(EveryHead, IsDrawnFromItsSeedAlone) {
    const Head first = make(5);
    const Head other = head_named(GetParam(), kStates, kHidden, 6);
    const Head again = make(5);
    bool differs = false;
    for (std::size_t i = 0; i < first.parameters().size(); ++i) {
        EXPECT_TRUE(first.parameters()[i].tensor.equal(again.parameters()[i].tensor));
        differs |= !first.parameters()[i].tensor.equal(other.parameters()[i].tensor);
    }
    EXPECT_TRUE(differs);
}

INSTANTIATE_TEST_SUITE_P(Zoo, EveryHead, testing::ValuesIn([] {
                             std::vector<std::string> names;
                             for (const BuiltInHead& head : built_in_heads()) names.emplace_back(head.name);
                             return names;
                         }()),
                         [](const auto& about) { return about.param; });

TEST(LearnedPooling, StartsAsAScalarMixOfSmallWeightsAndUnitScale) {
    const Head head = head_named("learned_pooling", 1000, 2);
    const at::Tensor weights = head.parameters()[0].tensor;
    EXPECT_NEAR(weights.std().item<double>(), 0.05, 0.005);
    ASSERT_EQ(head.layer_weights().size(), 1U);
    const LayerWeights learned = head.layer_weights()[0];
    EXPECT_EQ(learned.gamma, 1.0);
    EXPECT_NEAR(std::accumulate(learned.weights.begin(), learned.weights.end(), 0.0), 1.0, 1e-9);
}

TEST(Adapter, StartsWithinTwoDeviationsOfZero) {
    const Head head = head_named("adapter_386_shared", 2, 384);
    const at::Tensor weight = head.parameters()[0].tensor;
    EXPECT_LE(weight.abs().max().item<double>(), 2e-3);
    EXPECT_NEAR(weight.std().item<double>(), 0.88e-3,
                0.01e-3);  // a normal cut at two deviations has 0.8796 of its own
    EXPECT_EQ(head.parameters()[1].tensor.abs().max().item<double>(), 0.0);
}

TEST(Skip, HandsTheLastStateToTheLinearBehindTheAdapter) {
    const Head head = head_named("adapter_64_shared_skip", 3, 4);
    const StateBatch batch = random_states(3, 4, {6});
    StateBatch changed = batch;
    changed.states = batch.states.clone();
    for (const NamedTensor& parameter : head.parameters()) {
        if (parameter.name.starts_with("0.adapter")) parameter.tensor.zero_();
    }
    changed.states[1].add_(1);
    EXPECT_TRUE(head.forward(changed).equal(head.forward(batch)));
    changed.states[2].add_(1);
    EXPECT_FALSE(head.forward(changed).equal(head.forward(batch)));
}

}  // namespace
}  // namespace bv
