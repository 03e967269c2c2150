#include "io/json_object.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

class JsonObjectFile : public testing::Test {
  protected:
    JsonObject holding(const std::string& text) const {
        write_file(folder_ / "x.json", text);
        return JsonObject(folder_ / "x.json");
    }

    TemporaryFolder folder_;
};

TEST_F(JsonObjectFile, GivesItsMembers) {
    const JsonObject json = holding(
        R"({"text": "a", "truth": true, "real": 2, "whole": -3, "seed": 18446744073709551615, "list": [1, 2]})");
    EXPECT_EQ(json.get<std::string>("text"), "a");
    EXPECT_TRUE(json.get<bool>("truth"));
    EXPECT_EQ(json.get<double>("real"), 2.0);
    EXPECT_EQ(json.get<std::int64_t>("whole"), -3);
    EXPECT_EQ(json.whole("whole", -3, 0), -3);
    EXPECT_EQ(json.get<std::uint64_t>("seed"), 18446744073709551615U);
    EXPECT_EQ(json.get<std::vector<std::int64_t>>("list"), (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(json.get<double>("absent", 0.5), 0.5);
}

TEST_F(JsonObjectFile, CountsNullAsMissing) {
    const JsonObject json = holding(R"({"a": null})");
    EXPECT_FALSE(json.has("a"));
    EXPECT_EQ(json.get<double>("a", 0.5), 0.5);
    BV_EXPECT_ERROR(json.get<double>("a"), "x.json", "'a'", "missing", "a number");
}

TEST_F(JsonObjectFile, NamesFileKeyAndValueOfAnotherType) {
    const JsonObject json = holding(R"({"text": "a", "real": 1.5, "big": 9223372036854775808, "minus": -1,
                                       "list": [1, 1.5], "truth": true})");
    BV_EXPECT_ERROR(json.get<std::int64_t>("text"), "x.json", "'text' is \"a\"", "a whole number");
    BV_EXPECT_ERROR(json.get<std::int64_t>("real"), "'real' is 1.5", "a whole number");
    BV_EXPECT_ERROR(json.get<std::int64_t>("truth"), "'truth' is true", "a whole number");
    BV_EXPECT_ERROR(json.get<std::int64_t>("big"), "'big' is 9223372036854775808", "a whole number");
    BV_EXPECT_ERROR(json.get<std::uint64_t>("minus"), "'minus' is -1", "0 or more");
    BV_EXPECT_ERROR(json.get<std::vector<std::int64_t>>("list"), "'list' is [1,1.5]", "a list");
    BV_EXPECT_ERROR(json.get<bool>("real"), "true or false");
    BV_EXPECT_ERROR(json.whole("minus", 0), "'minus' is -1", "0 or more");
    BV_EXPECT_ERROR(json.whole("minus", 1, 9), "'minus' is -1", "from 1 to 9");
}

TEST_F(JsonObjectFile, CutsALongValueInItsMessage) {
    const JsonObject json = holding("{\"a\": \"" + std::string(1000, 'x') + "\"}");
    try {
        json.get<double>("a");
        FAIL();
    } catch (const Error& wrong) {
        EXPECT_LT(std::string(wrong.what()).size(), folder_.path().string().size() + 150);
    }
}

TEST_F(JsonObjectFile, IsAnObject) {
    BV_EXPECT_ERROR(holding("[1]"), "x.json", "object");
    BV_EXPECT_ERROR(holding("{"), "x.json", "line 1");
}

}  // namespace
}  // namespace bv
