#include "core/words.hpp"

#include <gtest/gtest.h>

#include "core/task.hpp"
#include "helpers/expect_error.hpp"

namespace bv {
namespace {

TEST(WordsTest, AValueAndItsWordAreTheSame) {
    EXPECT_EQ(words_of<Task>(), (std::vector<std::string>{"span", "classification"}));
    for (const Task task : {Task::span, Task::classification}) {
        EXPECT_EQ(parse<Task>(to_string(task)), task);
        EXPECT_EQ(find_word<Task>(to_string(task)), task);
    }
    EXPECT_EQ(to_string(Task::classification), "classification");
    EXPECT_EQ(fmt::format("{:>6}", Task::span), "  span");
}

TEST(WordsTest, AnUnknownWordNamesTheChoices) {
    BV_EXPECT_ERROR(parse<Task>("spam"), "'spam' is no task", "span, classification");
    EXPECT_EQ(find_word<Task>("Span"), std::nullopt);
    EXPECT_EQ(find_word<Task>(""), std::nullopt);
}

}  // namespace
}  // namespace bv
