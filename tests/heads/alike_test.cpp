// Heads that differ only in their seeds: computed together, against each by itself.
#include <ostream>

#include <gtest/gtest.h>

#include "heads/head.hpp"
#include "helpers/random_states.hpp"

namespace bv {

void PrintTo(const HeadDefinition& definition, std::ostream* out) {
    *out << definition.name;
}

namespace {

/// The built-in heads, and some whose blocks get what the built-in ones' do not: the states of all or each
/// head's own.
std::vector<HeadDefinition> definitions() {
    std::vector<HeadDefinition> all;
    for (const BuiltInHead& head : built_in_heads()) all.push_back(find_head(std::string(head.name)));
    const auto add = [&](const char* name, const std::string& blocks) {
        all.push_back(parse_head(name, "task = \"span\"\nblocks = [" + blocks + "]", name));
    };
    const std::string end = R"({ type = "linear", width = 2 })";
    add("unshared_of_each", R"({ type = "dropout", rate = 0.2 },
        { type = "adapter", width = 6, shared = false }, { type = "adapter", width = 5, shared = false },
        { type = "learned_pooling" }, )" +
                                end);
    add("average_of_each",
        R"({ type = "batch_norm" }, { type = "gelu" }, { type = "average_pooling" }, )" + end);
    add("separable_of_all",
        R"({ type = "relu" }, { type = "separable_conv", filters = 3, kernel = 3, tokens = 2 },
        { type = "pool", of = "max", kernel = 3, stride = 2 }, { type = "pool", kernel = 3, stride = 2 },
        { type = "global_average_pool" }, )" +
            end);
    add("one_branch_without_parameters", R"({ type = "branches", of = [[{ type = "gelu" }],
        [{ type = "conv", filters = 2, kernel = 3, bias = false }]] },
        { type = "residual", blocks = [{ type = "batch_norm" }] }, { type = "flatten" },
        { type = "branches", of = [[{ type = "linear", width = 3 }], [{ type = "relu" }]] }, )" +
                                             end);
    return all;
}

class Alike : public testing::TestWithParam<HeadDefinition> {
  protected:
    static constexpr std::int64_t kStates = 4;
    static constexpr std::int64_t kHidden = 48;

    /// In float64: forty batch normalisations amplify float32's rounding by a hundred thousand.
    Head make(const std::vector<std::uint64_t>& seeds) const {
        Head head(GetParam(), GetParam().each_layer ? 1 : kStates, kHidden, seeds);
        for (const auto* own : {&head.parameters(), &head.buffers()}) {
            for (const NamedTensor& named : *own) {
                named.tensor.set_data(named.tensor.to(at::kDouble));
                named.tensor.set_requires_grad(named.trained);
            }
        }
        return head;
    }

    static void expect_equal(const at::Tensor& found, const at::Tensor& wanted, const std::string& what) {
        ASSERT_EQ(found.sizes(), wanted.sizes()) << what;
        EXPECT_LE((found - wanted).norm().item<double>(), 1e-12 + 1e-9 * wanted.norm().item<double>())
            << what;
    }
};

TEST_P(Alike, HeadsAreTogetherWhatEachIsByItself) {
    const bool span = GetParam().task == Task::span;
    StateBatch batch = random_states(
        kStates, kHidden, span ? std::vector<std::int64_t>{5, 1, 9, 3} : std::vector<std::int64_t>(6, 1));
    batch.states = batch.states.to(at::kDouble);
    if (GetParam().each_layer) batch = batch.with_states(1, 1);
    const std::vector<std::uint64_t> seeds{5, 6, 7};
    const Head together = make(seeds);
    const at::Tensor logits = together.forward(batch, 3);
    const at::Tensor losses = head_loss(GetParam().task, batch, logits);
    ASSERT_EQ(losses.sizes(), at::IntArrayRef({3}));
    losses.sum().backward();
    const at::Tensor evaluated = together.forward(batch).detach();
    for (std::size_t i = 0; i < seeds.size(); ++i) {
        const auto k = static_cast<std::int64_t>(i);
        const Head alone = make({seeds[i]});
        EXPECT_EQ(alone.parameter_count(), together.parameter_count());
        const at::Tensor own = alone.forward(batch, 3);
        expect_equal(logits.detach()[k], own.detach()[0], "logits");
        const at::Tensor loss = head_loss(GetParam().task, batch, own);
        EXPECT_NEAR(losses[k].item<double>(), loss.item<double>(), 1e-9 * loss.item<double>());
        loss.sum().backward();
        expect_equal(evaluated[k], alone.forward(batch).detach()[0], "logits of evaluation");
        for (std::size_t p = 0; p < alone.parameters().size(); ++p) {
            const NamedTensor& parameter = alone.parameters()[p];
            const at::Tensor& other = together.parameters()[p].tensor;
            EXPECT_TRUE(other[k].equal(parameter.tensor[0])) << parameter.name;
            // A softmax over the tokens of a sequence is blind to a bias they share.
            if (span && parameter.name.ends_with("linear.bias")) continue;
            expect_equal(other.grad()[k], parameter.tensor.grad()[0], "gradient of " + parameter.name);
        }
        for (std::size_t b = 0; b < alone.buffers().size(); ++b)
            expect_equal(together.buffers()[b].tensor[k], alone.buffers()[b].tensor[0],
                         alone.buffers()[b].name);
    }
    EXPECT_GT((logits[0] - logits[1]).abs().max().item<double>(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Heads, Alike, testing::ValuesIn(definitions()),
                         [](const auto& about) { return about.param.name; });

}  // namespace
}  // namespace bv
