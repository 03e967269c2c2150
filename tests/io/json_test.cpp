#include "io/json.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

TEST(Json, IsParsed) {
    EXPECT_EQ(parse_json(R"({"a": [1, 2.5]})", "x.json").at("a").at(1).get<double>(), 2.5);
}

TEST(Json, NamesFileAndPlaceOfAnError) {
    BV_EXPECT_ERROR(parse_json("{\n  \"a\": tru }", "x.json"), "x.json", "no JSON at line 2, column 11");
}

TEST(Json, ANulByteIsNotTheEndOfTheText) {
    using namespace std::string_literals;
    BV_EXPECT_ERROR(parse_json("{\"a\": 1}\n\0 x"s, "x.json"), "x.json", "a NUL byte at line 2, column 1");
    BV_EXPECT_ERROR(parse_json("{\"a\": \"\0\"}"s, "x.json"), "a NUL byte at line 1, column 8");
    EXPECT_EQ(parse_json("\"\\u0000\"", "x.json").get<std::string>(), "\0"s);
}

TEST(Json, NamesANumberBeyondDouble) {
    BV_EXPECT_ERROR(parse_json("{\"a\": 1,\n \"b\": 1e400}", "x.json"), "x.json",
                    "a number beyond double's range at line 2, column 11");
}

TEST(Json, RefusesMoreLevelsThanTheStackHolds) {
    const std::string deep(1'000'000, '[');
    BV_EXPECT_ERROR(parse_json("{\"a\": " + deep, "x.json"), "x.json", "more than 500 levels",
                    "line 1, column 506");
    EXPECT_NO_THROW(parse_json(std::string(500, '[') + std::string(500, ']'), "x.json"));
    EXPECT_NO_THROW(parse_json("{\"a\\\"" + deep + "\": 1}", "x.json"));
}

TEST(Json, NamesTheFileItReads) {
    const TemporaryFolder folder;
    write_file(folder / "b.json", "[1,");
    BV_EXPECT_ERROR(read_json(folder / "b.json"), (folder / "b.json").string(), "line 1");
    BV_EXPECT_ERROR(read_json(folder / "none.json"), "none.json");
}

}  // namespace
}  // namespace bv
