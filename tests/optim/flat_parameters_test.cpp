#include "optim/flat_parameters.hpp"

#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace bv {
namespace {

TEST(FlatParameters, LayoutIsDecayThenNoDecayEachAtAMultipleOf64) {
    std::vector<at::Tensor> parameters{at::ones({3}), at::ones({5, 13}), at::ones({64}), at::ones({2, 2})};
    const FlatParameters flat(parameters, {false, true, false, true});
    ASSERT_EQ(flat.segments().size(), 2U);
    EXPECT_EQ(flat.segments()[0].offset, 0);
    EXPECT_EQ(flat.segments()[0].length, 128 + 64);
    EXPECT_TRUE(flat.segments()[0].decay);
    EXPECT_EQ(flat.segments()[1].offset, 192);
    EXPECT_EQ(flat.segments()[1].length, 64 + 64);
    EXPECT_FALSE(flat.segments()[1].decay);
    EXPECT_EQ(flat.elements(), 320);
    for (const at::Tensor& parameter : parameters) {
        EXPECT_EQ((parameter.data_ptr<float>() - flat.values().data_ptr<float>()) % 64, 0);
    }
    EXPECT_EQ(flat.values().sum().item<float>(), 3 + 65 + 64 + 4) << "what lies between parameters must be 0";
}

TEST(FlatParameters, BucketsHoldTheLastParametersFirst) {
    const FlatParameters flat({at::ones({100}), at::ones({70}), at::ones({2, 64}), at::ones({3})},
                              {false, false, true, false}, 128);
    ASSERT_EQ(flat.buckets().size(), 2U);
    EXPECT_THAT(flat.buckets()[0].parameters, testing::ElementsAre(3, 2));
    EXPECT_EQ(flat.buckets()[0].offset, 0);
    EXPECT_EQ(flat.buckets()[0].length, 128 + 64);
    EXPECT_THAT(flat.buckets()[1].parameters, testing::ElementsAre(1, 0));
    EXPECT_EQ(flat.buckets()[1].offset, 192);
    EXPECT_EQ(flat.buckets()[1].length, 128 + 128);
    ASSERT_EQ(flat.segments().size(), 3U);
    EXPECT_TRUE(flat.segments()[0].decay);
    EXPECT_FALSE(flat.segments()[1].decay);
    EXPECT_FALSE(flat.segments()[2].decay);
}

TEST(FlatParameters, EachModelOfSeveralHasARow) {
    const at::Tensor first = at::arange(6, at::kFloat).view({2, 3});
    const at::Tensor second = at::arange(140, at::kFloat).view({2, 7, 10});
    const FlatParameters flat({first, second}, {false, false}, std::numeric_limits<std::int64_t>::max(), 2);
    EXPECT_EQ(flat.rows(), 2);
    EXPECT_EQ(flat.elements(), 128 + 64);
    const FlatParameters one({first.detach()[1].clone(), second.detach()[1].clone()}, {false, false});
    EXPECT_TRUE(flat.values().view({2, -1})[1].equal(one.values()));
    (first.sum() + 2 * second[1].sum()).backward();
    EXPECT_TRUE(flat.gradients().view({2, -1})[0].sum().equal(at::full({}, 3.0F)));
    EXPECT_TRUE(flat.gradients().view({2, -1})[1].sum().equal(at::full({}, 3.0F + 140)));
}

TEST(FlatParameters, AnEmptySegmentIsLeftOut) {
    const FlatParameters flat({at::ones({3})}, {false});
    ASSERT_EQ(flat.segments().size(), 1U);
    EXPECT_FALSE(flat.segments()[0].decay);
}

TEST(FlatParameters, ParametersKeepTheirValuesAndFollowTheBuffer) {
    const at::Tensor parameter = at::arange(6, at::kFloat).view({2, 3}).t();  // not contiguous
    const at::Tensor before = parameter.clone();
    const FlatParameters flat({parameter}, {true});
    EXPECT_TRUE(parameter.equal(before));
    flat.values().mul_(2);
    EXPECT_TRUE(parameter.equal(before * 2));
    EXPECT_TRUE(parameter.is_leaf());
    EXPECT_TRUE(parameter.requires_grad());
    EXPECT_FALSE(flat.values().requires_grad());
}

TEST(FlatParameters, BackwardPassesAccumulateIntoTheFlatBuffer) {
    const at::Tensor weight = at::full({2, 3}, 2.0F);
    const at::Tensor bias = at::zeros({2});
    FlatParameters flat({weight, bias}, {true, false});
    const at::Tensor input = at::arange(6, at::kFloat).view({2, 3});
    const auto backward = [&] { (at::matmul(input, weight.t()) + bias).sum().backward(); };
    backward();
    flat.check();
    const at::Tensor once = flat.gradients().clone();
    EXPECT_TRUE(once.narrow(0, 0, 6).view({2, 3}).equal(input.sum(0).expand({2, 3})));
    EXPECT_TRUE(once.narrow(0, 64, 2).equal(at::full({2}, 2.0F)));
    backward();
    EXPECT_TRUE(flat.gradients().equal(once * 2));
    flat.zero_gradients();
    EXPECT_EQ(flat.gradients().abs().sum().item<float>(), 0);
    backward();
    EXPECT_TRUE(flat.gradients().equal(once));
}

TEST(FlatParameters, UpdatesInPlaceAreAllowedAndSeenByTheNextPass) {
    const at::Tensor weight = at::ones({4});
    FlatParameters flat({weight}, {true});
    (weight * weight).sum().backward();
    flat.values().sub_(flat.gradients(), 0.25);
    flat.zero_gradients();
    (weight * weight).sum().backward();
    EXPECT_TRUE(weight.grad().equal(at::ones({4})));
}

TEST(FlatParameters, CheckFindsADroppedGradientAndAReplacedParameter) {
    at::Tensor weight = at::ones({4});
    const FlatParameters dropped({weight}, {true});
    weight.mutable_grad().reset();
    EXPECT_THROW(dropped.check(), std::logic_error);

    at::Tensor moved = at::ones({4});
    const FlatParameters replaced({moved}, {true});
    moved.set_data(moved.detach().clone());
    EXPECT_THROW(replaced.check(), std::logic_error);
}

TEST(FlatParameters, OtherElementTypesAndGraphNodesAreRefused) {
    EXPECT_THROW(FlatParameters({at::ones({4}, at::kDouble)}, {true}), std::logic_error);
    EXPECT_THROW(FlatParameters({at::ones({4}), at::ones({4}, at::kHalf)}, {true, true}), std::logic_error);
    const at::Tensor leaf = at::ones({4}).requires_grad_();
    EXPECT_THROW(FlatParameters({leaf * 2}, {true}), std::logic_error);
    EXPECT_THROW(FlatParameters({at::ones({4})}, {true, false}), std::logic_error);
}

}  // namespace
}  // namespace bv
