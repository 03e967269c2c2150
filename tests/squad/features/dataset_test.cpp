#include "squad/features/dataset.hpp"

#include <gtest/gtest.h>

#include "helpers/captured_log.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

class DatasetFile : public testing::Test {
  protected:
    std::filesystem::path file(const std::string& content) const {
        write_file(folder_ / "squad.json", content);
        return folder_ / "squad.json";
    }
    /// One paragraph with the context and the list of questions.
    std::filesystem::path paragraph(const std::string& context, const std::string& questions) const {
        return file(R"({"data":[{"paragraphs":[{"context":")" + context + R"(","qas":[)" + questions +
                    "]}]}]}");
    }

    TemporaryFolder folder_;
};

TEST_F(DatasetFile, reads_squad_2_with_several_answers_and_impossible_questions) {
    const Dataset dataset = read_squad(paragraph("caf\u00e9 \U0001f680 blue", R"(
        {"id":"1","question":"What?","is_impossible":false,
         "answers":[{"text":"blue","answer_start":7},{"text":"\ud83d\ude80 blue","answer_start":5}]},
        {"id":"2","question":"Why?","is_impossible":true,"answers":[],"plausible_answers":[{"text":"x","answer_start":0}]})"));
    ASSERT_EQ(dataset.questions.size(), 2U);
    EXPECT_TRUE(dataset.labelled);
    EXPECT_EQ(dataset.questions[0].answers[1].text, "\U0001f680 blue");
    EXPECT_EQ(dataset.questions[0].answers[1].start, 5);
    EXPECT_TRUE(dataset.questions[1].impossible);
    EXPECT_TRUE(dataset.questions[1].answers.empty());
}

TEST_F(DatasetFile, reads_squad_1_without_is_impossible) {
    const Dataset dataset = read_squad(
        paragraph("a b", R"({"id":"1","question":"?","answers":[{"text":"b","answer_start":2}]})"));
    EXPECT_TRUE(dataset.labelled);
    EXPECT_FALSE(dataset.questions[0].impossible);
}

TEST_F(DatasetFile, a_file_that_says_nothing_of_answers_is_unlabelled) {
    EXPECT_FALSE(read_squad(paragraph("a", R"({"id":"1","question":"?"})")).labelled);
}

TEST_F(DatasetFile, where_others_have_answers_a_question_without_a_list_of_them_is_an_error) {
    const std::string answered = R"({"id":"1","question":"?","answers":[{"text":"a","answer_start":0}]},)";
    BV_EXPECT_ERROR(read_squad(paragraph("a", answered + R"({"id":"2","question":"?"})")), "squad.json",
                    "question 2", "no \"answers\"");
    BV_EXPECT_ERROR(
        read_squad(paragraph("a", answered + R"({"id":"2","question":"?","is_impossible":false})")),
        "question 2");
    EXPECT_TRUE(
        read_squad(paragraph("a", answered + R"({"id":"2","question":"?","is_impossible":true})")).labelled);
    EXPECT_TRUE(read_squad(paragraph("a", answered + R"({"id":"2","question":"?","answers":[]})")).labelled);
}

TEST_F(DatasetFile, an_empty_list_of_a_question_that_is_not_impossible_is_warned_of) {
    const CapturedLog log;
    read_squad(paragraph("a", R"({"id":"1","question":"?","answers":[{"text":"a","answer_start":0}]},
                                 {"id":"2","question":"?","answers":[]})"));
    EXPECT_NE(log.text().find("1 questions with an empty list of answers"), std::string::npos) << log.text();
}

TEST_F(DatasetFile, a_file_of_questions_that_are_possible_and_without_answers_is_unlabelled) {
    EXPECT_FALSE(read_squad(paragraph("a", R"({"id":"1","question":"?","is_impossible":false,"answers":[]})"))
                     .labelled);
    EXPECT_TRUE(read_squad(paragraph("a", R"({"id":"1","question":"?","is_impossible":true,"answers":[]})"))
                    .labelled);
}

TEST_F(DatasetFile, equal_contexts_are_kept_once) {
    const std::string part = R"({"context":"a","qas":[{"id":"ID","question":"?"}]})";
    std::string second = part;
    second.replace(second.find("ID"), 2, "other");
    const Dataset dataset = read_squad(file(R"({"data":[{"paragraphs":[)" + part + "," + second + "]}]}"));
    EXPECT_EQ(dataset.contexts.size(), 1U);
    EXPECT_EQ(dataset.questions[1].context, 0);
}

TEST_F(DatasetFile, parts_divide_questions_by_context) {
    const Dataset dataset = read_squad(file(R"({"data":[{"paragraphs":[
        {"context":"a","qas":[{"id":"1","question":"?"},{"id":"2","question":"?"}]},
        {"context":"b","qas":[{"id":"3","question":"?"}]}]}]})"));
    const Dataset part = part_of(dataset, {false, true});
    ASSERT_EQ(part.questions.size(), 1U);
    EXPECT_EQ(part.questions[0].id, "3");
    EXPECT_EQ(part.contexts.at(static_cast<std::size_t>(part.questions[0].context)), "b");
}

TEST_F(DatasetFile, malformed_json_is_an_error_with_line_and_column) {
    BV_EXPECT_ERROR(read_squad(file("{\n  \"data\": [}\n")), "squad.json", "line 2, column 12");
    BV_EXPECT_ERROR(read_squad(file("")), "squad.json", "line 1, column 1");
    BV_EXPECT_ERROR(read_squad(file("{\"data\": \"\xff\"}")), "squad.json", "line 1", "UTF-8");
    BV_EXPECT_ERROR(read_squad(file("{\"data\": [], \"version\": 1e400}")), "squad.json",
                    "beyond double's range at line 1");
    BV_EXPECT_ERROR(read_squad(folder_ / "absent.json"), "absent.json");
    BV_EXPECT_ERROR(read_squad(folder_.path()), "it is a folder");
}

TEST_F(DatasetFile, another_structure_is_an_error_with_its_place) {
    BV_EXPECT_ERROR(read_squad(file("[]")), "expected a JSON object");
    BV_EXPECT_ERROR(read_squad(file("{\"version\": 2}")), "no \"data\"");
    BV_EXPECT_ERROR(read_squad(file("{\"data\": {}}")), "key 'data' is {}", "a list");
    BV_EXPECT_ERROR(read_squad(file("{\"data\": []}")), "no questions");
    BV_EXPECT_ERROR(read_squad(file("{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}")),
                    "context' is missing", "data[0].paragraphs[0]");
    BV_EXPECT_ERROR(read_squad(paragraph("a", R"({"id":7,"question":"?"})")), ".id' is 7", "qas[0]",
                    "a string");
    BV_EXPECT_ERROR(read_squad(paragraph("a", R"({"id":"1","question":"?"},{"id":"1","question":"?"})")),
                    "question id 1 stands twice");
}

TEST_F(DatasetFile, an_answer_must_stand_at_its_offset) {
    const auto with = [&](const std::string& text, const std::string& start) {
        return paragraph("a blue\\nball", R"({"id":"q7","question":"?","answers":[{"text":")" + text +
                                              R"(","answer_start":)" + start + "}]}");
    };
    EXPECT_EQ(read_squad(with("blue", "2")).questions.size(), 1U);
    BV_EXPECT_ERROR(read_squad(with("blue", "3")), "squad.json", "question q7", "\"blue\"", "character 3",
                    "\"lue\\n\"");
    BV_EXPECT_ERROR(read_squad(with("blue", "40")), "question q7", "character 40", "context of 11");
    BV_EXPECT_ERROR(read_squad(with("blue", "-1")), "question q7", "character -1");
    BV_EXPECT_ERROR(read_squad(with("blue", "\"2\"")), "answer_start' is \"2\"", "a whole number");
    BV_EXPECT_ERROR(read_squad(with("blue", "18446744073709551615")), "answer_start' is", "a whole number");
    BV_EXPECT_ERROR(read_squad(with("", "2")), "question q7", "empty");
}

TEST_F(DatasetFile, an_impossible_question_has_no_answers) {
    BV_EXPECT_ERROR(read_squad(paragraph("a", R"({"id":"1","question":"?","is_impossible":true,
                                                  "answers":[{"text":"a","answer_start":0}]})")),
                    "question 1", "impossible");
}

}  // namespace
}  // namespace bv
