#include "heads/head.hpp"

#include <cmath>
#include <numeric>
#include <optional>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include "helpers/random_states.hpp"

namespace bv {
namespace {

Head head_named(const std::string& name, std::int64_t states, std::int64_t hidden_size,
                std::uint64_t seed = 1) {
    return Head(find_head(name), states, hidden_size, {seed});
}

/// Parameters over BERT-Large: ours exactly, and what was published of them, to so many parts of itself.
struct Count {
    const char* head;
    std::int64_t states;
    std::int64_t parameters;
    double published;
    double tolerance = 0;
    std::int64_t buffers = 0;
};

constexpr double kOnlyCount = 0.02;  // where only a rounded count was published, not the form
constexpr double kBert = 335'143'938;

const Count kZoo[] = {
    {"learned_pooling", 25, 2'076, 2'076},
    {"average_pooling", 25, 2'050, 2'050},
    {"adapter_64_shared", 25, 68'802, 68'802},
    {"adapter_64_shared_skip", 25, 70'850, 70'850},
    {"adapter_64_unshared", 25, 1'643'202, 1'643'202},
    {"adapter_64_unshared_skip", 25, 1'645'250, 1'645'250},
    {"adapter_386_shared", 25, 414'952, 414'952},
    {"adapter_386_shared_skip", 25, 417'000, 417'000},
    {"adapter_386_unshared", 25, 9'910'552, 9'910'552},
    {"adapter_386_unshared_skip", 25, 9'912'600, 9'912'600},
    {"learned_pooling_adapter_386", 25, 398'498, 398'498},
    {"average_pooling_adapter_386", 25, 398'472, 398'472},
    {"adapter_386_shared_skip_learned_pooling", 25, 813'448, 0.00242 * kBert, kOnlyCount},
    {"cnn_1xn", 25, 325'730, 0.00099 * kBert, kOnlyCount},
    {"cnn_1xn_no_dropout", 25, 325'730, 0.00099 * kBert, kOnlyCount},
    {"cnn_1xn_dilated", 25, 401'506, 0.00121 * kBert, kOnlyCount},
    {"learned_pooling_cnn_1xn", 25, 309'628, 0.00093 * kBert, kOnlyCount},
    {"average_pooling_cnn_1xn", 25, 309'602, 0.00093 * kBert, kOnlyCount},
    {"learned_pooling_adapter_cnn_1xn", 25, 695'038, 0.00207 * kBert, kOnlyCount},
    {"learned_pooling_adapter_cnn_nxn", 25, 1'105'438, 0.00332 * kBert, kOnlyCount},
    {"learned_pooling_adapter_inception", 25, 6'674'206, 0.01994 * kBert, kOnlyCount, 14'336},
    {"learned_pooling_adapter_xception", 25, 6'581'276, 0.0197 * kBert, kOnlyCount, 18'240},
    {"span_probe", 1, 2'050, 2'050},
    {"classification_probe", 1, 2'050, 2'050},
    {"tenney_small", 26, 2'077, 2'077},
    {"adapter_pooler_tenney", 26, 398'499, 398'499},
    {"adapter_pooler_mean", 26, 398'472, 398'472},
    {"xception_abbreviated", 26, 264'066, 264'066, 0, 267'010 - 264'066},
    {"xception_abbreviated_cls_residual", 26, 266'114, 266'114, 0, 269'058 - 266'114},
    {"xception_full", 26, 20'662'106, 20'662'106, 0, 20'716'634 - 20'662'106},
    {"xception_full_max_pool", 26, 20'662'106, 20'662'106, 0, 20'716'634 - 20'662'106},
};

class ZooHead : public testing::TestWithParam<Count> {};

TEST_P(ZooHead, HasItsNumberOfParametersOverBertLarge) {
    const Count& count = GetParam();
    const Head head = head_named(count.head, count.states, 1024);
    EXPECT_EQ(head.parameter_count(), count.parameters);
    EXPECT_NEAR(static_cast<double>(count.parameters), count.published, count.tolerance * count.published);
    std::int64_t buffers = 0;
    for (const NamedTensor& buffer : head.buffers()) buffers += buffer.tensor.numel();
    EXPECT_EQ(buffers, count.buffers);
}

INSTANTIATE_TEST_SUITE_P(Zoo, ZooHead, testing::ValuesIn(kZoo),
                         [](const auto& about) { return std::string(about.param.head); });

TEST(ZooHeads, AreAllTheBuiltInOnes) {
    EXPECT_EQ(built_in_heads().size(), std::size(kZoo));
}

class EveryHead : public testing::TestWithParam<std::string> {
  protected:
    static constexpr std::int64_t kStates = 4;
    static constexpr std::int64_t kHidden = 48;

    Head make(std::uint64_t seed = 1) const { return head_named(GetParam(), kStates, kHidden, seed); }

    StateBatch batch() const {
        const bool span = find_head(GetParam()).task == Task::span;
        return random_states(
            kStates, kHidden,
            span ? std::vector<std::int64_t>{5, 1, 9, 3} : std::vector<std::int64_t>{1, 1, 1, 1});
    }

    /// Expects that each sequence alone has the logits it has beside the others.
    static void expect_independence(const Head& head, const StateBatch& all,
                                    std::optional<std::int64_t> step) {
        const at::Tensor together = head.forward(all, step);
        for (std::int64_t b = 0; b < all.sequences(); ++b) {
            const StateBatch one = alone(all, b);
            const at::Tensor own =
                together.narrow(1, all.packed->starts[static_cast<std::size_t>(b)], one.rows());
            const at::Tensor difference = (own - head.forward(one, step)).abs().max();
            EXPECT_LE(difference.item<float>(), 1e-5F * own.abs().max().item<float>()) << "sequence " << b;
        }
    }
};

TEST_P(EveryHead, GivesASequenceTheSameLogitsWhateverItsNeighbours) {
    const Head head = make();
    const c10::NoGradGuard no_graph;
    head.forward(batch(), 0);  // running statistics of its own, where it has them
    expect_independence(head, batch(), std::nullopt);
}

/// Batch normalisation in training sees all of a batch; heads without it do not.
class HeadWithoutBatchNorm : public EveryHead {};

TEST_P(HeadWithoutBatchNorm, GivesASequenceTheSameLogitsInTrainingToo) {
    const c10::NoGradGuard no_graph;
    expect_independence(make(), batch(), 3);
}

TEST_P(EveryHead, HasTheGradientOfItsLoss) {
    // In training, and in float64, so that central differences are good to many digits.
    Head head = make();
    StateBatch states = batch();
    states.states = states.states.to(at::kDouble);
    for (const NamedTensor& buffer : head.buffers()) buffer.tensor.set_data(buffer.tensor.to(at::kDouble));
    for (const NamedTensor& parameter : head.parameters()) {
        const bool small = parameter.name.ends_with("adapter.weight");  // too small to be seen in the loss
        parameter.tensor.set_data(parameter.tensor.to(at::kDouble) * (small ? 100 : 1));
        parameter.tensor.set_requires_grad(true);
    }
    const auto loss = [&] {
        return head_loss(head.definition().task, states, head.forward(states, 0)).sum();
    };
    loss().backward();
    const c10::NoGradGuard no_graph;
    constexpr double kStep = 1e-7;
    at::manual_seed(11);
    // Large heads repeat themselves: a dozen of their tensors is enough, and five of the largest heads'
    // tensors, whose every forward pass takes seconds.
    const std::vector<NamedTensor>& parameters = head.parameters();
    const std::size_t tensors = head.parameter_count() > 4'000'000 ? 5 : 12;
    for (std::size_t i = 0; i < parameters.size(); i += 1 + parameters.size() / tensors) {
        const at::Tensor& tensor = parameters[i].tensor;
        ASSERT_TRUE(tensor.grad().defined()) << parameters[i].name;
        const at::Tensor value = tensor.clone();
        at::Tensor direction = at::randn_like(value);
        direction /= direction.norm();
        tensor.copy_(value + kStep * direction);
        const double above = loss().item<double>();
        tensor.copy_(value - kStep * direction);
        const double below = loss().item<double>();
        tensor.copy_(value);
        const double expected = (tensor.grad() * direction).sum().item<double>();
        EXPECT_NEAR((above - below) / (2 * kStep), expected, 1e-6 + 1e-4 * std::abs(expected))
            << parameters[i].name;
    }
}

TEST_P(EveryHead, LetsItsLossReachEveryParameter) {
    const Head head = make();
    for (const NamedTensor& parameter : head.parameters()) parameter.tensor.set_requires_grad(true);
    const StateBatch states = batch();
    head_loss(head.definition().task, states, head.forward(states)).sum().backward();
    for (const NamedTensor& parameter : head.parameters()) {
        ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
        // A softmax over the tokens of a sequence is blind to a bias they share.
        if (head.definition().task == Task::span && parameter.name.ends_with("linear.bias")) continue;
        EXPECT_GT(parameter.tensor.grad().norm().item<double>(), 0) << parameter.name;
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

std::vector<std::string> names(bool batch_norm) {
    std::vector<std::string> all;
    for (const BuiltInHead& head : built_in_heads()) {
        if (batch_norm || head.text.find("batch_norm") == std::string_view::npos) all.emplace_back(head.name);
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Zoo, EveryHead, testing::ValuesIn(names(true)),
                         [](const auto& about) { return about.param; });
INSTANTIATE_TEST_SUITE_P(Zoo, HeadWithoutBatchNorm, testing::ValuesIn(names(false)),
                         [](const auto& about) { return about.param; });

TEST(LearnedPooling, StartsAsAScalarMixOfSmallWeightsAndUnitScale) {
    const Head head = head_named("learned_pooling", 1000, 2);
    const at::Tensor weights = head.parameters()[0].tensor;
    EXPECT_NEAR(weights.std().item<double>(), 0.05, 0.005);
    ASSERT_EQ(head.layer_weights(0).size(), 1U);
    const LayerWeights learned = head.layer_weights(0)[0];
    EXPECT_EQ(learned.gamma, 1.0);
    EXPECT_NEAR(std::accumulate(learned.weights.begin(), learned.weights.end(), 0.0), 1.0, 1e-9);
}

TEST(LearnedPooling, AndTheLinearBehindItAreOneComputationWithTheSameLogits) {
    const Head head(find_head("learned_pooling"), 4, 48, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    for (const NamedTensor& parameter : head.parameters()) {  // biases and gamma begin with 0 and 1
        const c10::NoGradGuard no_graph;
        parameter.tensor.add_(at::randn_like(parameter.tensor));
    }
    const StateBatch batch = random_states(4, 48, {7, 12});
    const at::Tensor& weight = head.parameters()[2].tensor;
    const at::Tensor& bias = head.parameters()[3].tensor;
    ASSERT_EQ(weight.sizes(), at::IntArrayRef({11, 2, 48}));
    const at::Tensor wanted =
        at::baddbmm(bias.unsqueeze(1), head.before_last_block(batch), weight.transpose(1, 2));
    EXPECT_TRUE(head.forward(batch).allclose(wanted, 1e-5, 1e-5));
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
