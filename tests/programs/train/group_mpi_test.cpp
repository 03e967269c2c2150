#include <filesystem>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/sharding.hpp"
#include "helpers/random_source.hpp"
#include "helpers/temporary_folder.hpp"
#include "programs/train/group.hpp"

namespace bv {
namespace {

constexpr const char* kDefinition = R"(task = "span"
blocks = [
    { type = "learned_pooling" },
    { type = "batch_norm" },
    { type = "dropout", rate = 0.3 },
    { type = "linear", width = 2 },
])";

std::vector<Trainee> trainees_in(const std::filesystem::path& output) {
    std::vector<Trainee> trainees;
    for (const std::uint64_t seed : {5, 6}) {
        HeadJob job;
        job.definition = parse_head("normalised", kDefinition, "test");
        job.folder = output / std::to_string(seed);
        job.states = 3;
        job.origin.seed = seed;
        job.origin.learning_rate = 1e-3;
        trainees.push_back({.job = std::move(job)});
    }
    return trainees;
}

class HeadGroupTest : public testing::Test {
  protected:
    /// One step of `group` on the first 8 sequences.
    void step(HeadGroup& group) const {
        const std::vector<std::int64_t> batch{0, 1, 2, 3, 4, 5, 6, 7};
        const auto shares = split_by_tokens(batch, source_.rows_of_features(), ranks_.size());
        SharedBatch share(source_.read({shares[static_cast<std::size_t>(ranks_.rank())]}).front());
        group.step(share, 8);
    }

    HeadGroup group_in(const std::filesystem::path& output) {
        return {trainees_in(output), 8, at::kCPU, collective_};
    }

    /// As HeadTraining does it.
    void save(const HeadGroup& group, const std::filesystem::path& output) const {
        std::vector<std::vector<double>> losses;
        for (const std::string& text : ranks_.gather(nlohmann::json(group.losses()).dump()))
            losses.push_back(nlohmann::json::parse(text).get<std::vector<double>>());
        std::vector<HeadState> states;
        for (std::size_t k = 0; k < 2; ++k) {
            std::vector<double> own;
            for (const auto& of_rank : losses) own.push_back(of_rank[k]);
            states.push_back(group.state(k, own));
        }
        ranks_.root_only([&] { write_head_states(output, states); });
    }

    static void expect_equal(const HeadGroup& found, const HeadGroup& wanted) {
        EXPECT_EQ(found.losses(), wanted.losses());
        for (const auto tensors : {&Head::parameters, &Head::buffers}) {
            const auto& own = (found.head().*tensors)();
            const auto& others = (wanted.head().*tensors)();
            for (std::size_t i = 0; i < own.size(); ++i)
                EXPECT_TRUE(own[i].tensor.equal(others[i].tensor)) << own[i].name;
        }
    }

    const Communicator ranks_;
    MpiCollective collective_{ranks_};
    const RandomSource source_;
    const TemporaryFolder folder_;  // each rank's own
};

TEST_F(HeadGroupTest, GoesOnFromStatesThatRank0AloneCanRead) {
    HeadGroup group = group_in(folder_ / "heads");
    for (int i = 0; i < 3; ++i) step(group);
    save(group, folder_ / "heads");
    HeadGroup resumed = group_in(folder_ / "heads");
    resumed.restore(3, ranks_);
    expect_equal(resumed, group);
    for (HeadGroup* both : {&group, &resumed}) step(*both);
    expect_equal(resumed, group);
    EXPECT_EQ(std::filesystem::exists(folder_ / "heads"), ranks_.is_root());
}

TEST_F(HeadGroupTest, AnAbsentStateIsAnErrorOfAllRanks) {
    HeadGroup group = group_in(folder_ / "heads");
    EXPECT_THAT([&] { group.restore(3, ranks_); },
                testing::ThrowsMessage<AgreedError>(testing::HasSubstr("heads/5/resume/step-3")));
}

}  // namespace
}  // namespace bv
