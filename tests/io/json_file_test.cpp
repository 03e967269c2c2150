#include "io/json_file.hpp"

#include <optional>

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

class JsonFileTest : public testing::Test {
  protected:
    JsonPlace holding(const std::string& text) {
        write_file(folder_ / "x.json", text);
        return file_.emplace(folder_ / "x.json").place();
    }

    TemporaryFolder folder_;
    std::optional<JsonFile> file_;
};

TEST_F(JsonFileTest, GivesItsMembers) {
    const JsonPlace json = holding(
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

TEST_F(JsonFileTest, CountsNullAsMissing) {
    const JsonPlace json = holding(R"({"a": null})");
    EXPECT_FALSE(json.has("a"));
    EXPECT_EQ(json.get<double>("a", 0.5), 0.5);
    BV_EXPECT_ERROR(json.get<double>("a"), "x.json: key 'a' is null; expected a number");
}

TEST_F(JsonFileTest, NamesFileKeyAndValueOfAnotherType) {
    const JsonPlace json = holding(R"({"text": "a", "real": 1.5, "big": 9223372036854775808, "minus": -1,
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

TEST_F(JsonFileTest, CutsALongValueInItsMessage) {
    const JsonPlace json = holding("{\"a\": \"" + std::string(1000, 'x') + "\"}");
    try {
        json.get<double>("a");
        FAIL();
    } catch (const Error& wrong) {
        EXPECT_LT(std::string(wrong.what()).size(), folder_.path().string().size() + 150);
    }
}

TEST_F(JsonFileTest, NamesThePlaceOfAValueInsideOthers) {
    const JsonPlace json = holding(R"({"data": [{"id": "a"}, {"id": 7, "no": null}], "names": ["x", 1]})");
    const std::vector<JsonPlace> data = json.at("data").elements();
    ASSERT_EQ(data.size(), 2U);
    EXPECT_EQ(data[0].get<std::string>("id"), "a");
    EXPECT_EQ(data[0].at("id").name(), (folder_ / "x.json").string() + ": key 'data[0].id'");
    BV_EXPECT_ERROR(data[1].get<std::string>("id"), "x.json: key 'data[1].id' is 7; expected a string");
    BV_EXPECT_ERROR(data[1].at("no"), "x.json: key 'data[1].no' is null");
    BV_EXPECT_ERROR(data[1].at("id").at("x"), "key 'data[1].id' is 7; expected an object");
    BV_EXPECT_ERROR(json.at("data").members(), "key 'data' is", "expected an object");
    BV_EXPECT_ERROR(data[0].elements(), "key 'data[0]' is", "expected a list");
    BV_EXPECT_ERROR(json.get<std::vector<std::string>>("names"), "key 'names' is", "a list of strings");
    BV_EXPECT_ERROR(json.at("names").elements()[1].whole(2, 9), "key 'names[1]' is 1", "from 2 to 9");
}

TEST_F(JsonFileTest, GivesTheMembersOfAnObject) {
    const auto members = holding(R"({"b": 1, "a": null})").members();
    ASSERT_EQ(members.size(), 2U);
    EXPECT_EQ(members[0].first, "a");
    EXPECT_TRUE(members[0].second.value().is_null());
    EXPECT_EQ(members[1].second.get<std::int64_t>(), 1);
}

TEST_F(JsonFileTest, IsAnObject) {
    BV_EXPECT_ERROR(holding("[1]"), "x.json", "object");
    BV_EXPECT_ERROR(holding("{"), "x.json", "line 1");
}

}  // namespace
}  // namespace bv
