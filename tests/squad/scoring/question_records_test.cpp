#include "squad/scoring/question_records.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "helpers/sample_features.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"
#include "io/safetensors.hpp"
#include "squad/scoring/disagreements.hpp"

namespace bv {
namespace {

template <class T>
std::vector<T> values(const QuestionRecords& records, const std::string& name) {
    const auto column = records.column<T>(name);
    return {column.begin(), column.end()};
}

/// Three questions. "x" has two windows and the answer "b c"; "yy" has none; "z" has "a" and no usable start.
class QuestionRecordsTest : public ::testing::Test {
  protected:
    QuestionRecordsTest() {
        sample_.add("x", 6, {{"b c", 2}}, {{0, 4}, {2, 6}});
        sample_.add("yy", 4, {}, {{0, 4}});
        sample_.add("z", 4, {{"a", 0}}, {{0, 4}});
        sample_.features().max_context[sample_.place(0, 2)] = 0;
        sample_.features().max_context[sample_.place(0, 3)] = 0;
        for (std::int64_t t = 0; t < 4; ++t) sample_.features().max_context[sample_.place(3, t)] = 0;
        logits_ = sample_.logits();
        logits_.features = "print";
        set(0, 1, 1, 5);  // "b"
        set(1, 4, 5, 6);  // "e f", the best span of x
        logits_.start[sample_.cls(2)] = logits_.end[sample_.cls(2)] = 9;
        set(2, 2, 3, 1);
    }

    /// Makes the span from token `first` to `last` (counted in the context) likely in a window.
    void set(std::size_t window, std::int64_t first, std::int64_t last, float logit) {
        logits_.start[sample_.place(window, first)] = logits_.end[sample_.place(window, last)] = logit;
    }

    QuestionRecords records(double null_threshold = 0) {
        return records_of(sample_.features(),
                          score_span(sample_.features(), logits_, {.null_threshold = null_threshold}));
    }

    SampleFeatures sample_;
    SpanLogits logits_;
};

TEST_F(QuestionRecordsTest, SaysWhereTheBestSpanStandsAndHowItScores) {
    const QuestionRecords found = records();
    EXPECT_EQ(found.task, Task::span);
    EXPECT_EQ(found.features, "print");
    EXPECT_EQ(found.ids, (std::vector<std::string>{"x", "yy", "z"}));
    EXPECT_EQ(values<std::int32_t>(found, "context"), (std::vector<std::int32_t>{0, 1, 2}));
    EXPECT_EQ(values<std::uint8_t>(found, "answerable"), (std::vector<std::uint8_t>{1, 0, 1}));
    EXPECT_EQ(values<std::int32_t>(found, "window"), (std::vector<std::int32_t>{1, 2, -1}));
    EXPECT_EQ(values<std::int32_t>(found, "begin"), (std::vector<std::int32_t>{8, 4, -1}));
    EXPECT_EQ(values<std::int32_t>(found, "end"), (std::vector<std::int32_t>{11, 7, -1}));
    EXPECT_EQ(values<float>(found, "span_score"), (std::vector<float>{12, 2, 0}));
    EXPECT_EQ(values<float>(found, "none_score"), (std::vector<float>{0, 18, 0}));
    EXPECT_EQ(values<float>(found, "null_odds"), (std::vector<float>{-12, 16, 0}));
    EXPECT_EQ(values<std::uint8_t>(found, "exact"), (std::vector<std::uint8_t>{0, 0, 0}));
}

TEST_F(QuestionRecordsTest, TheSecondBestSpanIsJudgedToo) {
    set(0, 1, 2, 5);  // "b c", beside "e f"
    logits_.end[sample_.place(0, 1)] = 0;
    const QuestionRecords found = records();
    EXPECT_EQ(values<std::int32_t>(found, "second_begin")[0], 2);
    EXPECT_EQ(values<std::int32_t>(found, "second_end")[0], 5);
    EXPECT_EQ(values<float>(found, "second_score")[0], 10);
    EXPECT_EQ(values<std::uint8_t>(found, "second_exact")[0], 1);
    EXPECT_EQ(values<float>(found, "second_f1")[0], 1);
    EXPECT_EQ(values<std::int32_t>(found, "second_begin")[2], -1);
    EXPECT_EQ(values<float>(found, "second_score")[2], 0);
}

TEST_F(QuestionRecordsTest, TheReferenceAnswersWithItsWindowAndCharacters) {
    set(0, 3, 0, 30);  // far likelier than the other window, and reversed
    const QuestionRecords found = records();
    EXPECT_EQ(values<std::int32_t>(found, "reference_window"), (std::vector<std::int32_t>{0, 2, 3}));
    EXPECT_EQ(values<std::uint8_t>(found, "reference_reversed"), (std::vector<std::uint8_t>{1, 0, 0}));
    EXPECT_EQ(values<std::int32_t>(found, "reference_begin"), (std::vector<std::int32_t>{-1, -1, -1}));
    EXPECT_EQ(values<std::uint8_t>(found, "reference_exact"), (std::vector<std::uint8_t>{0, 1, 0}));
    logits_.start[sample_.cls(3) + 1] = 30;  // the question's token
    set(3, 2, 2, 0);
    logits_.end[sample_.place(3, 2)] = 30;
    EXPECT_EQ(values<std::int32_t>(records(), "reference_begin")[2], -2);
    EXPECT_EQ(values<std::int32_t>(records(), "reference_end")[2], 5);
}

TEST_F(QuestionRecordsTest, SumsOfTheColumnsAreTheScores) {
    for (const double threshold : {-100.0, -12.0, 0.0, 100.0}) {
        const SpanScores scores = score_span(sample_.features(), logits_, {.null_threshold = threshold});
        const QuestionRecords found = records_of(sample_.features(), scores);
        double exact = 0;
        double f1 = 0;
        double reference = 0;
        for (std::size_t q = 0; q < found.count(); ++q) {
            const bool none = found.column<float>("null_odds")[q] > threshold;
            const double right = 1 - found.column<std::uint8_t>("answerable")[q];
            exact += none ? right : found.column<std::uint8_t>("exact")[q];
            f1 += none ? right : found.column<float>("f1")[q];
            reference += found.column<float>("reference_f1")[q];
        }
        EXPECT_NEAR(100 * exact / 3, scores.official["exact"].get<double>(), 1e-9);
        EXPECT_NEAR(100 * f1 / 3, scores.official["f1"].get<double>(), 1e-5);
        EXPECT_NEAR(100 * reference / 3, scores.reference["f1"].get<double>(), 1e-5);
        EXPECT_EQ(found.null_threshold, threshold);
    }
}

TEST_F(QuestionRecordsTest, ADisagreementHasItsReason) {
    const auto reasons = [&](double threshold = 0) {
        return disagreements(sample_.features(),
                             score_span(sample_.features(), logits_, {.null_threshold = threshold}));
    };
    set(0, 1, 2, 8);  // x: both answer "b c"
    set(1, 4, 5, 0);
    EXPECT_EQ(reasons()[0], Disagreement::none);
    EXPECT_EQ(reasons(-100)[0], Disagreement::threshold);
    set(0, 3, 0, 20);  // x: the reference's is reversed; the official is "b c" no more, and wrong
    EXPECT_EQ(reasons()[0], Disagreement::none);
    EXPECT_EQ(reasons(100)[1], Disagreement::threshold);
    logits_.start[sample_.place(2, 3)] = logits_.end[sample_.place(2, 0)] = 40;  // yy: reversed, credited
    EXPECT_EQ(reasons()[1], Disagreement::reversed);
    EXPECT_EQ(counts_of(reasons())["reversed"], 1);
    EXPECT_EQ(counts_of(reasons())["total"], 1);
    set(3, 0, 0, 9);  // z: no usable start for the official rule; run_qa's stand-in is wrong
    EXPECT_EQ(reasons()[2], Disagreement::window);
}

TEST_F(QuestionRecordsTest, AnArticleMoreIsADisagreementOfNormalisation) {
    sample_.features().questions[0].answers = {{"b", 2}};
    sample_.features().max_context[sample_.place(0, 0)] = 1;
    set(1, 4, 5, 0);
    set(0, 0, 1, 30);  // "a b": the official scorer takes the article away
    const auto found =
        disagreements(sample_.features(), score_span(sample_.features(), logits_, {.null_threshold = 100}));
    EXPECT_EQ(found[0], Disagreement::normalisation);
}

TEST_F(QuestionRecordsTest, OfUnlabelledFeaturesHaveNoVerdicts) {
    sample_.features().labelled = false;
    const QuestionRecords found = records();
    EXPECT_FALSE(found.labelled());
    EXPECT_FALSE(found.columns.contains("exact"));
    EXPECT_FALSE(found.columns.contains("disagreement"));
    EXPECT_EQ(values<std::int32_t>(found, "begin")[0], 8);
}

TEST_F(QuestionRecordsTest, OfAClassifierHaveTheWindowOfTheSmallestProbability) {
    const ClassLogits classes{"print", {0, 3, 1, 1.5, 0, 2, 0, 1e-9F}};
    const QuestionRecords found = records_of(sample_.features(), score_classes(sample_.features(), classes));
    EXPECT_EQ(found.task, Task::classification);
    EXPECT_EQ(values<std::int32_t>(found, "window"), (std::vector<std::int32_t>{1, 2, 3}));
    EXPECT_EQ(values<std::uint8_t>(found, "reference_none"), (std::vector<std::uint8_t>{1, 1, 1}));
    EXPECT_NEAR(values<float>(found, "none_probability")[0], 0.622459F, 1e-6);
    EXPECT_GT(values<float>(found, "none_probability")[2], 0.5F);  // as the unrounded one
}

TEST_F(QuestionRecordsTest, AFileGivesThemBack) {
    const TemporaryFolder folder;
    const auto path = folder.path() / kQuestionRecords;
    const QuestionRecords written = records(0.1);
    write_question_records(path, written);
    const QuestionRecords read = read_question_records(path);
    EXPECT_EQ(read.task, Task::span);
    EXPECT_EQ(read.features, "print");
    EXPECT_EQ(read.null_threshold, 0.1);
    EXPECT_EQ(read.ids, written.ids);
    EXPECT_EQ(read.columns, written.columns);
    const SafetensorsFile file(path);
    EXPECT_EQ(file.at("id").shape, (std::vector<std::int64_t>{3, 2}));
    EXPECT_EQ(file.at("id").bytes, std::string_view("x\0yyz\0", 6));
    EXPECT_EQ(file.metadata().at("disagreements"), "none,reversed,threshold,gold,normalisation,window,span");
}

TEST_F(QuestionRecordsTest, AThresholdThatIsNoFiniteNumberIsRefused) {
    const TemporaryFolder folder;
    const auto path = folder.path() / kQuestionRecords;
    write_question_records(path, records(0.25));
    const std::string content = read_file(path);
    for (const std::string wrong : {"nan.", "inf.", "5abc", "1e99", "+.25"}) {
        std::string changed = content;
        changed.replace(changed.find("\"0.25\""), 6, '"' + wrong + '"');
        write_file(path, changed);
        if (wrong == "1e99") {
            EXPECT_EQ(read_question_records(path).null_threshold, 1e99);
        } else {
            EXPECT_THROW(read_question_records(path), Error) << wrong;
        }
    }
}

TEST_F(QuestionRecordsTest, ADamagedFileAndOneOfSomethingElseAreRefusedByName) {
    const TemporaryFolder folder;
    const auto path = folder.path() / kQuestionRecords;
    const auto refusal = [&] {
        try {
            read_question_records(path);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("it was read");
    };
    write_question_records(path, records());
    std::string content = read_file(path);
    content[content.size() - 2] ^= 1;
    write_file(path, content);
    EXPECT_NE(refusal().find(path.string() + ": it is damaged or was changed"), std::string::npos)
        << refusal();
    write_logits(path, logits_);
    EXPECT_NE(refusal().find("no file of question records"), std::string::npos) << refusal();
    QuestionRecords lacking = records();
    lacking.columns.erase("null_odds");
    write_question_records(path, lacking);
    EXPECT_NE(refusal().find("it should have a column 'null_odds' of float32"), std::string::npos)
        << refusal();
    QuestionRecords other = records();
    other.columns["f1"] = std::vector<std::uint8_t>(other.count());
    write_question_records(path, other);
    EXPECT_NE(refusal().find("it should have a column 'f1' of float32"), std::string::npos) << refusal();
}

}  // namespace
}  // namespace bv
