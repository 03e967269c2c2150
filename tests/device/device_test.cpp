#include "device/device.hpp"

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

TEST(WithoutGpus, ABuildWithoutCudaDoesNotBlameTheHost) {
    BV_EXPECT_ERROR(without_gpus("cuda", /*built_for_gpus=*/false, {"node1"}), "this build has no CUDA",
                    "nvcc", "build again");
    BV_EXPECT_ERROR(without_gpus("cuda", /*built_for_gpus=*/true, {}), "no rank sees a GPU");
}

TEST(WithoutGpus, AutoWarnsOfGpusThatTheBuildCannotUse) {
    EXPECT_THAT(without_gpus("auto", /*built_for_gpus=*/false, {"node1", "node2"}),
                testing::AllOf(testing::HasSubstr("on the CPU"), testing::HasSubstr("no CUDA"),
                               testing::HasSubstr("node1, node2"), testing::Not(testing::HasSubstr("\n"))));
}

TEST(WithoutGpus, NobodyIsWarnedWhereNothingIsLost) {
    EXPECT_EQ(without_gpus("auto", /*built_for_gpus=*/false, {}), "");
    EXPECT_EQ(without_gpus("auto", /*built_for_gpus=*/true, {"hidden from this job"}), "");
    EXPECT_EQ(without_gpus("cpu", /*built_for_gpus=*/false, {"node1"}), "");
}

}  // namespace
}  // namespace bv
