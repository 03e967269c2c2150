#include "bert/attention.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "small_batch.hpp"

namespace bv {
namespace {

constexpr std::int64_t kHeads = 3;
constexpr std::int64_t kHidden = 24;

at::Tensor random_input(std::int64_t tokens) {
    at::manual_seed(1);
    return at::randn({tokens, 3 * kHidden});
}

/// The textbook formula in plain operations, with an explicit mask (A, T, T) for each sequence.
at::Tensor textbook(const at::Tensor& x, const Batch& batch, const std::vector<at::Tensor>& masks) {
    std::vector<at::Tensor> outputs;
    for (std::size_t b = 0; b < batch.examples.size(); ++b) {
        const std::int64_t tokens = batch.starts[b + 1] - batch.starts[b];
        const auto part = [&](std::int64_t which) {
            return x.narrow(0, batch.starts[b], tokens)
                .narrow(1, which * kHidden, kHidden)
                .reshape({tokens, kHeads, kHidden / kHeads})
                .transpose(0, 1);
        };
        const at::Tensor scores =
            at::matmul(part(0), part(1).transpose(1, 2)) / std::sqrt(double(kHidden / kHeads));
        outputs.push_back(
            at::matmul(scores.softmax(-1) * masks[b], part(2)).transpose(0, 1).reshape({tokens, kHidden}));
    }
    return at::cat(outputs);
}

TEST(PackedAttention, TrainingIsTheTextbookFormulaAndItsGradient) {
    const Batch batch = batch_of(features_of_lengths({5, 9, 1, 14}), {0, 1, 2, 3});
    const DropoutKey key{11, 3};
    for (const double p : {0.0, 0.25}) {
        std::vector<at::Tensor> masks;
        for (std::size_t b = 0; b < batch.examples.size(); ++b) {
            const std::int64_t tokens = batch.starts[b + 1] - batch.starts[b];
            at::Tensor mask = at::ones({kHeads, tokens, tokens});
            if (p > 0) apply_dropout_mask(mask, mask, p, key, 2, DropoutSite::attention, batch.examples[b]);
            masks.push_back(mask);
        }
        at::Tensor x = random_input(batch.tokens()).set_requires_grad(true);
        at::Tensor reference_x = x.detach().clone().set_requires_grad(true);
        const at::Tensor y = packed_attention(x, batch, kHeads, 2, p, &key);
        const at::Tensor reference_y = textbook(reference_x, batch, masks);
        EXPECT_TRUE(at::allclose(y, reference_y, 1e-5, 1e-6));
        const at::Tensor weights = at::randn_like(y);
        (y * weights).sum().backward();
        (reference_y * weights).sum().backward();
        EXPECT_TRUE(at::allclose(x.grad(), reference_x.grad(), 1e-4, 1e-5)) << "p = " << p;
    }
}

TEST(PackedAttention, InferenceEqualsTrainingWithoutDropout) {
    const Batch batch = batch_of(features_of_lengths({5, 9, 1, 14}), {0, 1, 2, 3});
    const at::Tensor x = random_input(batch.tokens());
    const at::Tensor training = packed_attention(x, batch, kHeads, 0, 0.1, nullptr);
    const at::NoGradGuard no_gradients;
    EXPECT_TRUE(at::allclose(packed_attention(x, batch, kHeads, 0, 0.1, nullptr), training, 1e-5, 1e-6));
}

TEST(PackedAttention, ASequenceDoesNotSeeItsNeighbours) {
    const Batch batch = batch_of(features_of_lengths({5, 9}), {0, 1});
    const at::Tensor x = random_input(batch.tokens());
    at::Tensor other = x.clone();
    other.narrow(0, 5, 9).normal_();
    const at::NoGradGuard no_gradients;
    const at::Tensor a = packed_attention(x, batch, kHeads, 0, 0, nullptr);
    const at::Tensor b = packed_attention(other, batch, kHeads, 0, 0, nullptr);
    EXPECT_TRUE(at::equal(a.narrow(0, 0, 5), b.narrow(0, 0, 5)));
    EXPECT_FALSE(at::equal(a.narrow(0, 5, 9), b.narrow(0, 5, 9)));
}

}  // namespace
}  // namespace bv
