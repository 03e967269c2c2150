#include "programs/train/run_files.hpp"

#include <csignal>

#include <ATen/ATen.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heads/head_definition.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"
#include "squad/scoring/logits.hpp"

namespace {

int calls_left = 0;  ///< that change what is on disk, until this process is killed; 0 = it is not

void count_call() {
    if (calls_left > 0 && --calls_left == 0) ::kill(::getpid(), SIGKILL);
}

}  // namespace

// The program's own functions stand before those of the C library. A killed process's files need no flushing.
extern "C" int fsync(int) {
    count_call();
    return 0;
}

extern "C" int rename(const char* from, const char* to) noexcept {
    count_call();
    return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

extern "C" int unlinkat(int folder, const char* path, int flags) noexcept {
    count_call();
    return static_cast<int>(::syscall(SYS_unlinkat, folder, path, flags));
}

namespace bv {
namespace {

namespace fs = std::filesystem;

/// Runs `work` in a process that is killed at its `call`th change to the disk. Returns whether it was.
bool killed_at(int call, const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        calls_left = call;
        try {
            work();
        } catch (...) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL;
    EXPECT_EQ(status, 0);
    return false;
}

class HeadStatesTest : public testing::Test {
  protected:
    std::vector<fs::path> folders() const { return {output_ / "a/x", output_ / "a/y", output_ / "b/x"}; }

    std::vector<HeadState> states_after(std::int64_t step) const {
        std::vector<HeadState> states;
        for (const fs::path& folder : folders()) {
            const at::Tensor values = at::full({4}, static_cast<double>(step));
            states.push_back({folder, {step, "{}", values, values, values, {}}});
        }
        return states;
    }

    /// The steps of each head's newest state; 0 where there is none.
    std::vector<std::int64_t> steps() const {
        std::vector<std::int64_t> all;
        for (const fs::path& folder : folders())
            all.push_back(newest_resume_step(folder / "resume").value_or(0));
        return all;
    }

    const TemporaryFolder temporary_;
    const fs::path output_ = temporary_ / "heads";
};

TEST_F(HeadStatesTest, KilledAtAnyMomentAllHeadsHaveTheNewerStateOrAllTheOlder) {
    for (const std::int64_t older : {0, 7}) {
        int kept_older = 0;
        int have_newer = 0;
        bool killed = true;
        for (int call = 1; killed; ++call) {
            fs::remove_all(output_);
            if (older > 0) write_head_states(output_, states_after(older));
            const std::vector<HeadState> newer = states_after(9);
            killed = killed_at(call, [&] { write_head_states(output_, newer); });
            // Whichever head is trained again, and even if that is killed soon.
            const auto finish = [&] {
                finish_head_states(output_, {folders()[static_cast<std::size_t>(call) % 3]});
            };
            killed_at(1 + call % 7, finish);
            finish();
            finish_head_states(output_, folders());
            const std::int64_t found = steps().front();
            ASSERT_THAT(found, testing::AnyOf(older, 9)) << "killed at call " << call;
            ASSERT_THAT(steps(), testing::Each(found)) << "killed at call " << call;
            ++(found == 9 ? have_newer : kept_older);
        }
        EXPECT_GT(kept_older, 20);
        EXPECT_GT(have_newer, 5);
        for (const fs::path& folder : folders()) {
            EXPECT_TRUE(read_head_state(folder, 9).values.equal(at::full({4}, 9.0)));
            EXPECT_EQ(std::distance(fs::directory_iterator(folder / "resume"), {}), 1);
        }
        EXPECT_EQ(std::distance(fs::directory_iterator(output_), {}), 2);
    }
}

TEST_F(HeadStatesTest, OfARecordEachJobTakesItsOwnHeadsAndTheLastRemovesIt) {
    for (const HeadState& head : states_after(9)) prepare_resume_state(head.folder / "resume", head.state);
    write_file(output_ / "states-1.json", R"({"step": 9, "heads": ["a/x", "b/x", "gone"]})");
    finish_head_states(output_, {output_ / "a/y", output_ / "c"});
    EXPECT_THAT(steps(), testing::ElementsAre(0, 0, 0));
    finish_head_states(output_, {output_ / "a/x"});
    EXPECT_THAT(steps(), testing::ElementsAre(9, 0, 0));
    write_head_states(output_, {states_after(12).front()});  // goes on, while the other waits
    finish_head_states(output_, {output_ / "a/x", output_ / "b/x"});
    EXPECT_THAT(steps(), testing::ElementsAre(12, 0, 9));
    EXPECT_FALSE(fs::exists(output_ / "states-1.json"));
    EXPECT_FALSE(fs::exists(output_ / "gone"));
}

TEST_F(HeadStatesTest, AStateThatCannotBeWrittenIsAnErrorAndTheOlderOnesCount) {
    write_head_states(output_, states_after(7));
    fs::rename(output_ / "b/x/resume", output_ / "b/x/aside");
    write_file(output_ / "b/x/resume", "no folder");
    BV_EXPECT_ERROR(write_head_states(output_, states_after(9)), "b/x/resume");
    fs::remove(output_ / "b/x/resume");
    fs::rename(output_ / "b/x/aside", output_ / "b/x/resume");
    finish_head_states(output_, folders());
    EXPECT_THAT(steps(), testing::Each(7));
    for (const fs::path& folder : folders()) HeadFiles(folder).begin({}, "", 7, {}, 0);
    for (const fs::path& folder : folders()) {
        EXPECT_EQ(std::distance(fs::directory_iterator(folder / "resume"), {}), 2);  // recipe.json too
    }
}

TEST_F(HeadStatesTest, TheGroupOfAHeadIsThatOfItsState) {
    const nlohmann::json recipe{{"seed", 1}, {"precision", "float32"}};
    HeadState state = states_after(9).front();
    HeadFiles(state.folder).begin(recipe, "", 0, {}, 0);
    write_head_states(output_, {state});
    EXPECT_EQ(find_earlier_head_run(state.folder, recipe, false).group, "");
    state.state.totals = R"({"group": "seed-1"})";
    write_head_states(output_, {state});
    EXPECT_EQ(find_earlier_head_run(state.folder, recipe, false).group, "seed-1");
}

TEST_F(HeadStatesTest, ADamagedRecordIsAnErrorThatNamesIt) {
    write_file(output_ / "states-1.json", "{\"step\": ");
    BV_EXPECT_ERROR(finish_head_states(output_, folders()), "states-1.json");
    write_file(output_ / "states-1.json", R"({"step": 9, "heads": 3})");
    BV_EXPECT_ERROR(finish_head_states(output_, folders()), "states-1.json");
}

/// The epochs of the head, as its files say; 0 where it has none.
std::int64_t epochs_of(const fs::path& folder) {
    return fs::exists(folder / "head.json") ? load_head(folder).origin.epochs : 0;
}

/// Writes a head as the best of an epoch.
void write_best(HeadFiles& files, std::int64_t epoch) {
    const Head head(find_head("learned_pooling"), 3, 8, {static_cast<std::uint64_t>(epoch)});
    HeadOrigin origin;
    origin.layers = {0, 1, 2};
    origin.epochs = epoch;
    QuestionRecords records;
    records.ids = {std::to_string(epoch)};
    records.columns = {{"context", std::vector{0}}, {"null_odds", std::vector{0.0F}}};
    files.write_head(head, 0, origin, SpanLogits{"features", {static_cast<float>(epoch)}, {0}}, records);
}

TEST_F(HeadStatesTest, KilledAtAnyMomentTheBestHeadIsThatOfTheStateThatGoesOn) {
    const fs::path folder = output_ / "a/x";
    int whole = 0;
    for (int call = 1; whole < 2; ++call) {
        fs::remove_all(output_);
        HeadFiles files(folder);
        files.begin({}, "", 0, {}, 0);
        write_best(files, 1);
        files.begin_state(1);
        write_best(files, 2);  // which the state that is being written does not know
        const bool killed = killed_at(call, [&] {
            files.begin_state(2);
            write_best(files, 3);
            write_best(files, 5);
        });
        whole += killed ? 0 : 1;
        const std::int64_t best = call % 2 == 0 ? 2 : 1;  // of the state that a resumed run finds
        killed_at(1 + call % 5, [&] { HeadFiles(folder).begin({}, "", 7, {}, best); });
        HeadFiles resumed(folder);
        resumed.begin({}, "", 7, {}, best);
        ASSERT_EQ(epochs_of(folder), best) << "killed at call " << call;
        ASSERT_EQ(read_span_logits(folder / "logits.safetensors").start.front(), static_cast<float>(best));
        ASSERT_EQ(read_question_records(folder / kQuestionRecords).ids, std::vector{std::to_string(best)});
        resumed.finish({});
        EXPECT_EQ(std::distance(fs::directory_iterator(folder / "resume"), {}), 1);  // recipe.json
    }
}

TEST_F(HeadStatesTest, KilledAtAnyMomentOfFinishingNothingIsLeftWhenItIsFoundFinished) {
    const fs::path folder = output_ / "a/x";
    const nlohmann::json recipe{{"seed", 1}, {"precision", "float32"}};
    int cleaned = 0;
    bool killed = true;
    for (int call = 1; killed; ++call) {
        fs::remove_all(output_);
        HeadFiles files(folder);
        files.begin(recipe, "", 0, {}, 0);
        write_best(files, 1);
        write_head_states(output_, {states_after(9).front()});
        files.begin_state(1);
        write_best(files, 2);
        killed = killed_at(call, [&] { files.finish({}); });
        if (!find_earlier_head_run(folder, recipe, false).finished) continue;
        cleaned += std::distance(fs::directory_iterator(folder / "resume"), {}) > 1 ? 1 : 0;
        HeadFiles(folder).remove_states();
        EXPECT_EQ(std::distance(fs::directory_iterator(folder / "resume"), {}), 1);  // recipe.json
    }
    EXPECT_GT(cleaned, 2);
}

}  // namespace
}  // namespace bv
