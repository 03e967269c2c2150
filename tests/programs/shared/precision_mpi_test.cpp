#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "helpers/captured_log.hpp"
#include "helpers/temporary_folder.hpp"
#include "optim/checkpoint.hpp"
#include "programs/shared/precision.hpp"

namespace bv {
namespace {

using testing::HasSubstr;

class Precision : public testing::Test {
  protected:
    Precision() { at::set_num_threads(1); }

    /// What is chosen, and the log about it.
    std::pair<std::string, std::string> choose(const std::string& wanted, const EarlierWork& earlier) {
        const CapturedLog log;
        Compute compute{at::kCPU};
        choose_precision(compute, wanted, earlier, config_, ranks_);
        return {compute.precision_name(), log.text()};
    }

    const Communicator ranks_;
    const BertConfig config_{.hidden_size = 128, .heads = 2, .intermediate_size = 512};
};

TEST_F(Precision, IsWhatTheUserWants) {
    for (const char* wanted : {"float32", "bfloat16"}) {
        const auto [chosen, log] = choose(wanted, {});
        EXPECT_EQ(chosen, wanted);
        EXPECT_THAT(log, HasSubstr(fmt::format("precision: {} (--precision)", wanted)));
    }
}

TEST_F(Precision, OfWorkThatGoesOnIsThatOfBefore) {
    for (const char* recorded : {"float32", "bfloat16"}) {
        const auto [chosen, log] = choose("auto", {.unfinished = recorded});
        EXPECT_EQ(chosen, recorded);
        EXPECT_THAT(log, HasSubstr("as the earlier run recorded"));
    }
}

TEST_F(Precision, OfACheckpointIsThatOfItsTuning) {
    const TemporaryFolder folder;
    // The processor may have no products in bfloat16; then auto takes float32 for such a checkpoint.
    const bool has_bfloat16 = __builtin_cpu_supports("avx512bf16") > 0;
    for (const std::string tuned : {"float32", "bfloat16"}) {
        const auto checkpoint = folder.path() / tuned;
        write_checkpoint(checkpoint, {.epoch = EpochFraction::parse("1"), .precision = tuned},
                         [](const std::filesystem::path&) { return "0123"; });
        const bool kept = tuned == "float32" || has_bfloat16;
        // Measuring could choose the same one, so the log is compared, too.
        const auto [chosen, log] = choose("auto", {.checkpoint = checkpoint});
        EXPECT_EQ(chosen, kept ? tuned : "float32");
        EXPECT_THAT(log,
                    HasSubstr(kept ? "in which the checkpoint was fine-tuned" : "has bfloat16 products"));
        EXPECT_EQ(choose("auto", {.unfinished = "bfloat16", .checkpoint = checkpoint}).first, "bfloat16");
        EXPECT_EQ(choose("float32", {.checkpoint = checkpoint}).first, "float32");
    }
}

TEST_F(Precision, OfAFolderWithoutARecordIsChosenByTheDevice) {
    const TemporaryFolder folder;
    const auto [chosen, log] = choose("auto", {.checkpoint = folder.path()});
    EXPECT_THAT(log, testing::AnyOf(HasSubstr("GFLOP/s"), HasSubstr("has bfloat16 products")));
}

TEST_F(Precision, IsThatOfRankZeroOnAllRanks) {
    EXPECT_EQ(choose("auto", {.unfinished = ranks_.is_root() ? "bfloat16" : ""}).first, "bfloat16");
}

TEST_F(Precision, ThatNobodyKnowsIsAMistake) {
    EXPECT_THROW(choose("auto", {.unfinished = "float8"}), AgreedError);
}

TEST_F(Precision, OfAutoIsOneForAllRanksAndSaysWhy) {
    const auto [chosen, log] = choose("auto", {});
    for (const std::string& other : ranks_.gather(chosen)) EXPECT_EQ(chosen, other);
    EXPECT_THAT(log, testing::AnyOf(HasSubstr("GFLOP/s"), HasSubstr("has bfloat16 products")));
    EXPECT_THAT(log, HasSubstr("precision: " + chosen));
}

TEST_F(Precision, RatesAreMeasuredAndTheSameOnAllRanks) {
    const ProductRates rates = measure_products(config_, ranks_);
    EXPECT_GT(rates.float32, 1e8);
    EXPECT_GT(rates.bfloat16, 1e7);
    EXPECT_EQ(ranks_.max(rates.float32), rates.float32);
    EXPECT_EQ(ranks_.max(rates.bfloat16), rates.bfloat16);
}

TEST_F(Precision, OfLessBitsHasToBeWorthIt) {
    EXPECT_EQ((ProductRates{302e9, 134e9}.better()), at::kFloat);
    EXPECT_EQ((ProductRates{190e9, 405e9}.better()), at::kBFloat16);
    EXPECT_EQ((ProductRates{200e9, 201e9}.better()), at::kFloat);
}

}  // namespace
}  // namespace bv
