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
