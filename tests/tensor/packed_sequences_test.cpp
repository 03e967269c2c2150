#include "tensor/packed_sequences.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bv {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> values(const at::Tensor& tensor) {
    const at::Tensor wide = tensor.to(at::kLong).contiguous();
    return {wide.const_data_ptr<std::int64_t>(), wide.const_data_ptr<std::int64_t>() + wide.numel()};
}

class Packed : public testing::Test {
  protected:
    Packed() {
        const std::vector<std::int64_t> lengths{4, 1, 7};
        packed_ = pack({30, 8, 21}, lengths);
        packed_.start_labels = at::tensor({2, 0, 5}, at::kLong);
        packed_.end_labels = at::tensor({3, 0, 6}, at::kLong);
        packed_.no_answer = at::tensor({0, 1, 0}, at::kLong);
    }

    PackedSequences packed_;
};

TEST_F(Packed, SequencesStandEndToEnd) {
    EXPECT_EQ(packed_.sequences(), 3);
    EXPECT_EQ(packed_.rows(), 12);
    EXPECT_EQ(packed_.rows_of(2), 7);
    EXPECT_EQ(packed_.longest(), 7);
    EXPECT_THAT(packed_.lengths(), ElementsAre(4, 1, 7));
    EXPECT_THAT(packed_.starts, ElementsAre(0, 4, 5, 12));
    EXPECT_EQ(values(packed_.bounds), packed_.starts);
    EXPECT_EQ(packed_.bounds.scalar_type(), at::kInt);
    EXPECT_THAT(values(packed_.packing), ElementsAre(0, 4, 5, 12, 30, 8, 21));
    EXPECT_THAT(values(packed_.first_rows()), ElementsAre(0, 4, 5));
}

TEST_F(Packed, OfNoSequencesHaveNoRows) {
    EXPECT_EQ(PackedSequences().sequences(), 0);
    EXPECT_EQ(PackedSequences().rows(), 0);
    EXPECT_EQ(PackedSequences().longest(), 0);
}

TEST_F(Packed, WithOtherExamplesKeepTheirPlacesAndLabels) {
    const PackedSequences renamed = packed_.with_examples({1, 0, 2});
    EXPECT_THAT(renamed.examples, ElementsAre(1, 0, 2));
    EXPECT_THAT(values(renamed.packing), ElementsAre(0, 4, 5, 12, 1, 0, 2));
    EXPECT_EQ(renamed.starts, packed_.starts);
    EXPECT_TRUE(renamed.start_labels.equal(packed_.start_labels));
    EXPECT_THAT(packed_.examples, ElementsAre(30, 8, 21));
}

TEST_F(Packed, WithOneRowEachKeepTheirExamplesAndLabels) {
    const PackedSequences one = packed_.one_row_each();
    EXPECT_THAT(one.starts, ElementsAre(0, 1, 2, 3));
    EXPECT_EQ(values(one.bounds), one.starts);
    EXPECT_EQ(one.bounds.scalar_type(), at::kInt);
    EXPECT_THAT(values(one.packing), ElementsAre(0, 1, 2, 3, 30, 8, 21));
    EXPECT_EQ(one.examples, packed_.examples);
    EXPECT_TRUE(one.no_answer.equal(packed_.no_answer));
}

TEST_F(Packed, AChangeReachesEveryTensor) {
    const PackedSequences changed = packed_.with([](const at::Tensor& tensor) { return tensor + 1; });
    EXPECT_TRUE(changed.bounds.equal(packed_.bounds + 1));
    EXPECT_TRUE(changed.packing.equal(packed_.packing + 1));
    EXPECT_TRUE(changed.start_labels.equal(packed_.start_labels + 1));
    EXPECT_TRUE(changed.end_labels.equal(packed_.end_labels + 1));
    EXPECT_TRUE(changed.no_answer.equal(packed_.no_answer + 1));
}

}  // namespace
}  // namespace bv
