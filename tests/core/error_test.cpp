#include "core/error.hpp"

#include <gmock/gmock.h>

namespace bv {
namespace {

TEST(Error, FormatsItsMessage) {
    try {
        fail("{}: found {}, expected {}", "a.json", 3, 4);
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "a.json: found 3, expected 4");
        return;
    }
    FAIL() << "fail() returned";
}

TEST(Error, IsOneLineWhateverNamesItHolds) {
    EXPECT_STREQ(Error("tensor 'a\nb\x1b[2J\x7f\t' ä").what(), "tensor 'a\\nb\\x1b[2J\\x7f\\x09' ä");
}

TEST(Error, IsNotEndless) {
    std::string middle;
    for (int i = 0; i < 10'000; ++i) middle += "ä";
    const std::string text = Error("a.json: no tensor '" + middle + "' in it").what();
    EXPECT_LT(text.size(), 6100U);
    EXPECT_THAT(text, testing::StartsWith("a.json: no tensor 'ää"));
    EXPECT_THAT(text, testing::HasSubstr("ä ... ä"));
    EXPECT_THAT(text, testing::EndsWith("ää' in it"));
}

TEST(Error, ABrokenContractNamesConditionAndPlaceAndIsNoUserMistake) {
    const int two = 2;
    try {
        BV_EXPECT(two == 3);
    } catch (const Error&) {
        FAIL() << "a broken contract must not pass for a user's mistake";
    } catch (const std::logic_error& broken) {
        EXPECT_THAT(broken.what(), testing::HasSubstr("two == 3"));
        EXPECT_THAT(broken.what(), testing::HasSubstr("error_test.cpp"));
        return;
    }
    FAIL() << "BV_EXPECT let a broken contract pass";
}

TEST(Error, AKeptContractIsSilent) {
    EXPECT_NO_THROW(BV_EXPECT(1 + 1 == 2));
}

}  // namespace
}  // namespace bv
