#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "helpers/temporary_folder.hpp"
#include "programs/finetune/run_files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

class FindEarlierRunTest : public testing::Test {
  protected:
    EarlierRun found(ResumeRule resume) const {
        const nlohmann::json recipe{{"seed", 1}};
        const auto plan = parse_checkpoints("1");
        return find_earlier_run(output_,
                                {.recipe = recipe,
                                 .plan = plan,
                                 .last_step = 10,
                                 .resume = resume,
                                 .force = false,
                                 .stopped_early = [](const ResumeState&) { return false; }},
                                ranks_);
    }

    const Communicator ranks_;
    const TemporaryFolder folder_;  // each rank's own
    const fs::path output_ = folder_ / "run";
};

TEST_F(FindEarlierRunTest, AllRanksKnowTheStateThatRank0AloneCanRead) {
    if (ranks_.is_root()) {
        TuningFiles files(output_, "", {{"seed", 1}, {"precision", "bfloat16"}}, "", {});
        files.begin(0);
        const at::Tensor values = at::arange(5.0F);
        files.write_state([&] { return ResumeState{7, R"({"tokens":5})", values, values, values, {}}; });
        files.wait();
    }
    const EarlierRun run = found(ResumeRule::must);
    EXPECT_FALSE(run.finished);
    ASSERT_TRUE(run.state);
    EXPECT_EQ(run.precision, "bfloat16");
    EXPECT_EQ(run.state->step, 7);
    EXPECT_EQ(run.state->totals, R"({"tokens":5})");
    EXPECT_EQ(run.state->values.defined(), ranks_.is_root());
    EXPECT_EQ(fs::exists(output_), ranks_.is_root());
}

TEST_F(FindEarlierRunTest, NothingToResumeIsAnErrorOfAllRanks) {
    EXPECT_FALSE(found(ResumeRule::automatic).state);
    EXPECT_THAT([&] { found(ResumeRule::must); },
                testing::ThrowsMessage<AgreedError>(testing::HasSubstr("no run to resume")));
}

}  // namespace
}  // namespace bv
