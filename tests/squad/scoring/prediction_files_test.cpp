#include "squad/scoring/prediction_files.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "helpers/sample_features.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

class PredictionFiles : public ::testing::Test {
  protected:
    std::string refusal(const std::string& content) {
        write_file(path_, content);
        try {
            read_predictions(path_);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

    TemporaryFolder temporary_;
    const std::filesystem::path folder_ = temporary_.path();
    std::filesystem::path path_ = folder_ / "file.json";
};

TEST_F(PredictionFiles, KeepTheirOrderAndTheLastOfARepeatedId) {
    write_file(path_, R"({"b": "x", "a": "y", "b": "z"})");
    EXPECT_EQ(read_predictions(path_), (PredictedTexts{{"b", "z"}, {"a", "y"}}));
    write_file(path_, R"({"b": 0, "a": -1.5})");
    EXPECT_EQ(read_no_answer_scores(path_), (NoAnswerScores{{"b", 0.0}, {"a", -1.5}}));
}

TEST_F(PredictionFiles, RefuseWhatIsNoAnswerAndNameThePlace) {
    EXPECT_NE(refusal(R"({"a": 3})").find("'a'"), std::string::npos);
    EXPECT_NE(refusal(R"({"a": "x", "q": {"text": "b"}})").find("'q'"), std::string::npos);
    EXPECT_NE(refusal(R"({"q": ["b"]})").find("'q'"), std::string::npos);
    EXPECT_NE(refusal("[1]").find("object"), std::string::npos);
    EXPECT_NE(refusal("{\"a\": \"x\",\n \"b\" 3}").find("line 2"), std::string::npos);
    EXPECT_NE(refusal("{\"a\": \"x\",\n \"b\": 1e400}").find("range at line 2"), std::string::npos);
}

TEST_F(PredictionFiles, AreWrittenAsRunQaWritesThem) {
    SampleFeatures sample;
    sample.add("zz", 4, {}, {{0, 4}});
    sample.add("aa", 4, {}, {{0, 4}});
    SpanLogits logits = sample.logits();
    logits.start[sample.place(0, 1)] = 5;
    logits.start[sample.cls(1)] = 5;
    const auto answers = find_answers(sample.features(), logits, {});
    write_predictions(folder_, sample.features(), answers, 0);
    EXPECT_EQ(read_predictions(folder_ / "predictions.json"), (PredictedTexts{{"zz", "b"}, {"aa", ""}}));
    EXPECT_EQ(read_no_answer_scores(folder_ / "null_odds.json"), (NoAnswerScores{{"zz", -5}, {"aa", 5}}));
    const auto n_best = nlohmann::json::parse(read_file(folder_ / "nbest_predictions.json"));
    EXPECT_EQ(n_best["zz"][0]["text"], "b");
    EXPECT_EQ(n_best["zz"][0]["start_logit"], 5.0);
    EXPECT_EQ(n_best["zz"][0]["end_logit"], 0.0);
    EXPECT_NEAR(n_best["zz"][0]["probability"], answers[0].n_best[0].probability, 1e-12);
}

}  // namespace
}  // namespace bv
