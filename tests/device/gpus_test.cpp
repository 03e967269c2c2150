#include "device/gpus.hpp"

#include <fstream>

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"

namespace bv {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(AssignGpus, TakesThoseOfAHostInTheOrderOfItsRanks) {
    const RanksGpus a{"a", {"A0", "A1", "A2"}};
    const RanksGpus b{"b", {"B0", "B1"}};
    EXPECT_THAT(assign_gpus({a, a, a, b, b}), ElementsAre(0, 1, 2, 0, 1));
    EXPECT_THAT(assign_gpus({a, b, a, b}), ElementsAre(0, 0, 1, 1));
}

// --gpus-per-task=1 and --gpu-bind=single: each rank sees one GPU, and all of them are numbered 0.
TEST(AssignGpus, TakesTheOnlyOneThatARankSees) {
    EXPECT_THAT(assign_gpus({{"a", {"A0"}}, {"a", {"A1"}}, {"b", {"B0"}}}), ElementsAre(0, 0, 0));
    EXPECT_THAT(assign_gpus({{"a", {"A0", "A1"}}, {"a", {"A2", "A3"}}}), ElementsAre(0, 0));
}

TEST(AssignGpus, TakesNoneWhereNoRankSeesAny) {
    EXPECT_THAT(assign_gpus({{"a", {}}, {"b", {}}}), IsEmpty());
}

TEST(AssignGpus, NamesTheRanksThatWouldShareOne) {
    const RanksGpus a{"nodeA", {"A0", "A1"}};
    BV_EXPECT_ERROR(assign_gpus({a, a, a}), "ranks 0 and 2", "nodeA", "share GPU A0", "sees 2 GPUs",
                    "--device cpu");
    const RanksGpus only{"nodeA", {"A7"}};
    BV_EXPECT_ERROR(assign_gpus({{"nodeB", {"B0"}}, only, only}), "ranks 1 and 2", "share GPU A7",
                    "sees 1 GPU,");
}

TEST(AssignGpus, NamesTheHostsWithoutOne) {
    BV_EXPECT_ERROR(assign_gpus({{"good", {"A0"}}, {"blind", {}}, {"blind", {}}, {"dark", {}}}),
                    "3 of 4 ranks see no GPU", "hosts blind, dark)", "--device cpu");
}

TEST(HasNvidiaGpu, IsToldByTheDriversFiles) {
    for (const char* name : {"nvidiactl", "nvidia0"}) {
        const TemporaryFolder devices;
        EXPECT_FALSE(has_nvidia_gpu(devices.path()));
        std::ofstream(devices / name) << "";
        EXPECT_TRUE(has_nvidia_gpu(devices.path()));
    }
    EXPECT_FALSE(has_nvidia_gpu("/no/such/folder"));
}

}  // namespace
}  // namespace bv
