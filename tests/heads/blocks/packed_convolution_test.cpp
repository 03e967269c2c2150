#include "heads/blocks/packed_convolution.hpp"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "one_block.hpp"

namespace bv {
namespace {

struct Kernel {
    std::int64_t tokens, kernel, stride, dilation, width;
};

class Convolve : public testing::TestWithParam<Kernel> {};

TEST_P(Convolve, IsATensorLibrarysConvolutionOfEachSequence) {
    const Kernel& k = GetParam();
    const OneBlock block(
        fmt::format(
            "{{ type = \"conv\", filters = 5, tokens = {}, kernel = {}, stride = {}, dilation = {} }}",
            k.tokens, k.kernel, k.stride, k.dilation),
        {3, k.width});
    const StateBatch batch = random_states(3, k.width, {4, 1, 6});
    const at::Tensor x = batch.states.clone().requires_grad_();
    const at::Tensor weight = block["weight"].requires_grad_();
    const at::Tensor bias = block["bias"].requires_grad_();
    const at::Tensor y = block.forward(x, {batch, std::nullopt});
    const at::Tensor gradient = at::randn(y.sizes());
    const auto found = torch::autograd::grad({y}, {x, weight, bias}, {gradient});

    const std::int64_t outputs = (k.width + k.stride - 1) / k.stride;
    const std::int64_t reach = (outputs - 1) * k.stride + (k.kernel - 1) * k.dilation + 1;
    const std::int64_t padding = std::max<std::int64_t>(reach - k.width, 0);
    const std::int64_t above = (k.tokens - 1) / 2;
    std::vector<at::Tensor> sequences;
    for (const at::Tensor& sequence : x.split_with_sizes({4, 1, 6}, 1)) {
        const at::Tensor image = at::constant_pad_nd(
            sequence.unsqueeze(0), {padding / 2, padding - padding / 2, above, k.tokens - 1 - above});
        sequences.push_back(
            at::conv2d(image, weight[0], bias[0], {1, k.stride}, at::IntArrayRef({0, 0}), {1, k.dilation})
                .squeeze(0));
    }
    const at::Tensor expected = at::cat(sequences, 1);
    const auto wanted = torch::autograd::grad({expected}, {x, weight, bias}, {gradient});
    ASSERT_EQ(y.sizes(), expected.sizes());
    EXPECT_TRUE(at::allclose(y, expected, 1e-5, 1e-5));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_TRUE(at::allclose(found[i], wanted[i], 1e-5, 1e-5)) << "gradient " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Convolve,
                         testing::Values(Kernel{1, 1, 1, 1, 6},    // every pixel for itself
                                         Kernel{1, 1, 2, 1, 6},    // every second pixel
                                         Kernel{1, 3, 3, 1, 9},    // windows side by side
                                         Kernel{1, 5, 4, 1, 17},   // one value of each in the next
                                         Kernel{1, 2, 4, 1, 12},   // pixels between windows
                                         Kernel{1, 5, 4, 3, 30},   // holes, which other windows fill
                                         Kernel{1, 3, 4, 2, 16},   // holes of half a stride
                                         Kernel{1, 4, 1, 1, 7},    // padding of odd size
                                         Kernel{4, 1, 1, 1, 5},    // tokens alone
                                         Kernel{3, 5, 2, 1, 11},   //
                                         Kernel{9, 3, 1, 2, 8}));  // more tokens than any sequence has

}  // namespace
}  // namespace bv
