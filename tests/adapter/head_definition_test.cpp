#include "adapter/head_definition.hpp"

#include <gmock/gmock.h>

#include "adapter/head.hpp"
#include "core/error.hpp"

namespace bv {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// What is said of a head of this text, over 3 states of width 4; "" where it can be built.
std::string complaint(const std::string& text) {
    try {
        const Head head(parse_head("mine", text, "mine.toml"), 3, 4, 1);
        return "";
    } catch (const Error& mistake) {
        return mistake.what();
    }
}

std::string with_blocks(const std::string& blocks) {
    return "task = \"span\"\nblocks = [\n" + blocks + "\n]\n";
}

TEST(HeadDefinition, ComposesBlocksNoBuiltInHeadComposes) {
    EXPECT_EQ(complaint(with_blocks("{ type = \"average_pooling\" },\n{ type = \"linear\", width = 7 },\n"
                                    "{ type = \"skip\" },\n{ type = \"linear\", width = 2 }")),
              "");
}

TEST(HeadDefinition, NamesTheLineAndTheNearestOfAnUnknownBlock) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"learned_pooling\" },\n{ type = \"liner\", width = 2 }")),
                AllOf(HasSubstr("mine.toml:4"), HasSubstr("'liner'"), HasSubstr("'linear'")));
}

TEST(HeadDefinition, NamesTheLineAndTheNearestOfAnUnknownKey) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", widht = 2 }")),
                AllOf(HasSubstr("mine.toml:3"), HasSubstr("'widht'"), HasSubstr("'width'")));
    EXPECT_THAT(complaint("tusk = \"span\"\n"), AllOf(HasSubstr("mine.toml:1"), HasSubstr("'task'")));
}

TEST(HeadDefinition, NamesThePlaceOfWrongToml) {
    EXPECT_THAT(complaint("task = \"span\"\nblocks = [\n"), HasSubstr("mine.toml:"));
}

TEST(HeadDefinition, RefusesAnUnknownTask) {
    EXPECT_THAT(complaint("task = \"spam\"\nblocks = [{ type = \"linear\", width = 2 }]"),
                AllOf(HasSubstr("mine.toml:1"), HasSubstr("'span'")));
}

TEST(HeadDefinition, RefusesValuesOfTheWrongType) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = \"wide\" }")), HasSubstr("'width'"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = 0 }")), HasSubstr("at least 1"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = 2, shared = 1 }")),
                HasSubstr("true or false"));
}

TEST(Head, RefusesBlocksThatDoNotFollowEachOther) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"linear\", width = 2 }")),
                AllOf(HasSubstr("mine.toml:3"), HasSubstr("flatten")));
    EXPECT_THAT(complaint(with_blocks("{ type = \"flatten\" },\n{ type = \"learned_pooling\" }")),
                AllOf(HasSubstr("mine.toml:4"), HasSubstr("already pooled")));
    EXPECT_THAT(complaint(with_blocks("{ type = \"flatten\" },\n{ type = \"linear\", width = 3 }")),
                AllOf(HasSubstr("mine.toml:4"), HasSubstr("two values")));
}

TEST(FindHead, NamesTheNearestBuiltInHead) {
    EXPECT_THAT([] { find_head("adapter_64_share"); },
                testing::ThrowsMessage<Error>(HasSubstr("'adapter_64_shared'")));
    EXPECT_THAT([] { find_head("no/such.toml"); }, testing::ThrowsMessage<Error>(HasSubstr("no/such.toml")));
}

}  // namespace
}  // namespace bv
