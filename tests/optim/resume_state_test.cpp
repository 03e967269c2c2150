#include "optim/resume_state.hpp"

#include <csignal>
#include <tuple>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

ResumeState state_of(std::int64_t step) {
    const auto number = static_cast<double>(step);
    return {step,
            R"({"tokens":5})",
            at::full({128}, number),
            at::full({128}, number + 0.25),
            at::full({128}, number + 0.5),
            {}};
}

class ResumeStateTest : public testing::Test {
  protected:
    std::vector<std::string> states() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_.path()))
            names.push_back(entry.path().filename().string());
        return names;
    }

    const TemporaryFolder folder_;
};

TEST_F(ResumeStateTest, WhatIsWrittenReadsBack) {
    write_resume_state(folder_.path(), state_of(7));
    const auto found = newest_resume_state(folder_.path());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->step, 7);
    EXPECT_EQ(found->totals, R"({"tokens":5})");
    EXPECT_TRUE(found->values.equal(state_of(7).values));
    EXPECT_TRUE(found->first_moments.equal(state_of(7).first_moments));
    EXPECT_TRUE(found->second_moments.equal(state_of(7).second_moments));
    EXPECT_FALSE(found->buffers.defined());
}

TEST_F(ResumeStateTest, KeepsBuffersWhereThereAreSome) {
    ResumeState state = state_of(7);
    state.buffers = at::arange(5.0F);
    write_resume_state(folder_.path(), state);
    EXPECT_TRUE(newest_resume_state(folder_.path())->buffers.equal(at::arange(5.0F)));
}

TEST_F(ResumeStateTest, AnEmptyOrAbsentFolderHasNone) {
    EXPECT_FALSE(newest_resume_state(folder_.path()));
    EXPECT_FALSE(newest_resume_state(folder_ / "absent"));
}

TEST_F(ResumeStateTest, OfSeveralStatesTheNewestIsFoundAndEachCanBeRead) {
    for (const std::int64_t step : {7, 112, 12}) write_resume_state(folder_.path(), state_of(step));
    EXPECT_EQ(newest_resume_state(folder_.path())->step, 112);
    EXPECT_EQ(newest_resume_step(folder_.path()), 112);
    EXPECT_TRUE(read_resume_state(folder_.path(), 12).values.equal(state_of(12).values));
    BV_EXPECT_ERROR(read_resume_state(folder_.path(), 11), "step-11/resume.json");
}

TEST_F(ResumeStateTest, WhatIsPreparedCountsOnceItIsTakenAndThenAlone) {
    write_resume_state(folder_.path(), state_of(7));
    prepare_resume_state(folder_.path(), state_of(9));
    EXPECT_EQ(newest_resume_step(folder_.path()), 7);
    for (int times = 0; times < 2; ++times) {
        take_resume_state(folder_.path(), 9);
        EXPECT_TRUE(newest_resume_state(folder_.path())->values.equal(state_of(9).values));
        EXPECT_THAT(states(), testing::ElementsAre("step-9"));
    }
    take_resume_state(folder_.path(), 8);  // is not there: nothing is lost
    EXPECT_EQ(newest_resume_step(folder_.path()), 9);
    prepare_resume_state(folder_.path(), state_of(9));
    take_resume_state(folder_.path(), 9);
    EXPECT_THAT(states(), testing::ElementsAre("step-9"));
}

TEST_F(ResumeStateTest, AllStatesButOneAreRemovedAndWhatAKilledRunBegan) {
    for (const std::int64_t step : {7, 12}) write_resume_state(folder_.path(), state_of(step));
    write_file(folder_ / "step-9.partial/state.safetensors", "begun");
    remove_resume_states(folder_.path(), 12);
    EXPECT_THAT(states(), testing::ElementsAre("step-12"));
    remove_resume_states(folder_.path());
    EXPECT_THAT(states(), testing::IsEmpty());
}

TEST_F(ResumeStateTest, WithoutItsMarkerAStateIsNone) {
    write_resume_state(folder_.path(), state_of(7));
    fs::copy(folder_ / "step-7", folder_ / "step-9", fs::copy_options::recursive);
    fs::remove(folder_ / "step-9/resume.json");
    EXPECT_EQ(newest_resume_state(folder_.path())->step, 7);
}

TEST_F(ResumeStateTest, ADamagedStateIsPassedOver) {
    write_resume_state(folder_.path(), state_of(7));
    const fs::path path = folder_ / "step-7/state.safetensors";
    std::string bytes = read_file(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(path, bytes);
    EXPECT_FALSE(newest_resume_state(folder_.path()));
    EXPECT_FALSE(newest_resume_step(folder_.path()));
    write_resume_state(folder_.path(), state_of(5));
    EXPECT_EQ(newest_resume_state(folder_.path())->step, 5);
    EXPECT_EQ(newest_resume_step(folder_.path()), 5);
    write_file(folder_ / "step-5/resume.json", "{\"step\": 6}");
    EXPECT_FALSE(newest_resume_step(folder_.path()));
}

TEST_F(ResumeStateTest, AStateWhoseTotalsWereChangedIsPassedOver) {
    write_resume_state(folder_.path(), state_of(5));
    write_resume_state(folder_.path(), state_of(6));
    const fs::path marker = folder_ / "step-6/resume.json";
    std::string text = read_file(marker);
    const std::string tokens = "\"tokens\": 5";
    ASSERT_NE(text.find(tokens), std::string::npos) << text;
    write_file(marker, text.replace(text.find(tokens), tokens.size(), "\"tokens\": 7"));
    BV_EXPECT_ERROR(read_resume_state(folder_.path(), 6), "step-6/resume.json");
    EXPECT_EQ(newest_resume_step(folder_.path()), 5);
}

TEST_F(ResumeStateTest, AStateWithoutItsTensorsIsPassedOver) {
    write_resume_state(folder_.path(), state_of(5));
    write_resume_state(folder_.path(), state_of(6));
    fs::remove(folder_ / "step-6/state.safetensors");
    EXPECT_EQ(newest_resume_step(folder_.path()), 5);
}

TEST_F(ResumeStateTest, AStateThatCannotBeReadIsAnErrorBecauseItMayBeWhole) {
    write_resume_state(folder_.path(), state_of(5));
    write_resume_state(folder_.path(), state_of(6));
    // Files that not even root can read: opening the one fails, and reading the other.
    for (const auto& [name, target, reason] :
         {std::tuple("state.safetensors", "state.safetensors", "Too many levels"),
          std::tuple("resume.json", "/proc/self/mem", "Input/output error")}) {
        const fs::path path = folder_ / "step-6" / name;
        fs::rename(path, folder_ / "aside");
        fs::create_symlink(target, path);
        BV_EXPECT_ERROR(newest_resume_state(folder_.path()), path.string(), reason);
        BV_EXPECT_ERROR(newest_resume_step(folder_.path()), path.string(), reason);
        fs::remove(path);
        fs::rename(folder_ / "aside", path);
    }
    EXPECT_EQ(newest_resume_step(folder_.path()), 6);
}

/// While it lives, no file of this process grows beyond so many bytes: writing fails as on a full disk.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
        const rlimit limit{bytes, before_.rlim_max};
        EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, SIG_DFL);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
};

TEST_F(ResumeStateTest, AStateThatCannotBeWrittenIsAnErrorThatLeavesTheOlderOne) {
    write_resume_state(folder_.path(), state_of(7));
    {
        const FileSizeLimit limit(1000);
        BV_EXPECT_ERROR(write_resume_state(folder_.path(), state_of(9)), "step-9.partial/state.safetensors");
    }
    EXPECT_THAT(states(), testing::ElementsAre("step-7"));
    EXPECT_EQ(newest_resume_state(folder_.path())->step, 7);
}

}  // namespace
}  // namespace bv
