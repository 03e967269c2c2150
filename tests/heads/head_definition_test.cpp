#include "heads/head_definition.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "heads/head.hpp"

namespace bv {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// What is said of a head of this text, over 3 states of width 4; "" where it can be built.
std::string complaint(const std::string& text) {
    try {
        const Head head(parse_head("mine", text, "mine.toml"), 3, 4, {1});
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

TEST(HeadDefinition, ComposesConvolutionsBranchesAndResiduals) {
    EXPECT_EQ(complaint(with_blocks(R"(
        { type = "residual", blocks = [
            { type = "repeat", times = 2, blocks = [
                { type = "separable_conv", filters = 3, kernel = 3, tokens = 3 },
                { type = "batch_norm" },
                { type = "gelu" },
            ] },
        ] },
        { type = "branches", of = [
            [{ type = "pool", of = "max", kernel = 3, stride = 2 }, { type = "flatten" }],
            [{ type = "learned_pooling" }, { type = "dropout", rate = 0.5 }],
        ] },
        { type = "unflatten", channels = 5 },
        { type = "conv", filters = 2, kernel = 2, padding = "valid" },
        { type = "global_average_pool" })")),
              "");
}

TEST(HeadDefinition, NamesTheLineOfANestedBlock) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"residual\", blocks = [\n{ type = \"rely\" },\n] }")),
                AllOf(HasSubstr("mine.toml:4"), HasSubstr("'rely'"), HasSubstr("'relu'")));
    EXPECT_THAT(complaint(with_blocks("{ type = \"branches\", of = [\n[{ type = \"relu\" }],\n[{ type = "
                                      "\"conv\",\tkernal = 3 }],\n] }")),
                AllOf(HasSubstr("mine.toml:5"), HasSubstr("'kernal'"), HasSubstr("'kernel'")));
    EXPECT_THAT(
        complaint(with_blocks("{ type = \"repeat\", times = 2, blocks = [\n{ type = \"skip\" },\n] }")),
        AllOf(HasSubstr("mine.toml:4"), HasSubstr("3 channels of width 4")));
}

TEST(HeadDefinition, RefusesWhatIsNoChainOfBlocks) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"residual\" }")),
                AllOf(HasSubstr("mine.toml:3"), HasSubstr("needs the key 'blocks'")));
    EXPECT_THAT(complaint(with_blocks("{ type = \"residual\", blocks = 3 }")),
                HasSubstr("needs the key 'blocks'"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"residual\", blocks = [] }")), HasSubstr("holds no block"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"residual\", blocks = [3] }")),
                HasSubstr("a block must be a table"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"branches\", of = [{ type = \"relu\" }] }")),
                HasSubstr("at least two arrays"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"branches\", of = [[{ type = \"relu\" }], 3] }")),
                HasSubstr("mixes blocks"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = [{ type = \"relu\" }] }")),
                HasSubstr("the key 'width': a whole number"));
    for (const char* width : {"-5", "64.5", "true", "\"wide\""}) {
        EXPECT_THAT(
            complaint(with_blocks(fmt::format("{{ type = \"adapter\", width = {} }}", width))),
            HasSubstr(fmt::format("'width' of block 'adapter' is {}; expected a whole number", width)));
    }
    EXPECT_THAT(complaint(with_blocks("{ type = \"repeat\", times = 1001, blocks = [{ type = \"relu\" }] }")),
                HasSubstr("'times' of block 'repeat' is 1001; expected a whole number from 1 to 1000"));
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

TEST(HeadDefinition, ABracketTooManyIsAnErrorWithItsLine) {
    EXPECT_THAT(complaint(with_blocks("{ type = \"relu\" },\n},")),
                AllOf(HasSubstr("mine.toml:4"), HasSubstr("value")));
}

TEST(HeadDefinition, MayBeForEachLayer) {
    const std::string blocks = with_blocks("{ type = \"flatten\" },\n{ type = \"linear\", width = 2 }");
    EXPECT_FALSE(parse_head("mine", blocks, "mine.toml").each_layer);
    EXPECT_TRUE(parse_head("mine", "each_layer = true\n" + blocks, "mine.toml").each_layer);
    EXPECT_THAT(complaint("each_layer = 1\n" + blocks),
                AllOf(HasSubstr("mine.toml:1"), HasSubstr("'each_layer' must be true or false")));
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
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = 0 }")), HasSubstr("from 1 to"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = 9223372036854775807 }")),
                HasSubstr("to 1000000"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"adapter\", width = 2, shared = 1 }")),
                HasSubstr("true or false"));
    EXPECT_THAT(complaint(with_blocks("{ type = \"dropout\", rate = 1.5 }")),
                AllOf(HasSubstr("mine.toml:3"),
                      HasSubstr("'rate' of block 'dropout' is 1.5; expected a number above 0 and below 1")));
    EXPECT_THAT(complaint(with_blocks("{ type = \"conv\", filters = 2, padding = \"sane\" }")),
                AllOf(HasSubstr("mine.toml:3"), HasSubstr("'sane'"), HasSubstr("'same'")));
    EXPECT_THAT(complaint(with_blocks("{ type = \"conv\", filters = 2, padding = 1 }")),
                HasSubstr("must be a string such as \"same\""));
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
