#include "io/toml.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

TEST(Toml, WhatIsNoTomlIsAnErrorWithItsLine) {
    BV_EXPECT_ERROR(parse_toml("a = 1\nb = \n", "x.toml"), "x.toml:2");
    BV_EXPECT_ERROR(parse_toml("a = 1\n[b\n", "x.toml"), "x.toml:2");
}

// What toml++ asserts instead of saying it.
TEST(Toml, ABracketTooManyIsAnErrorWithItsLine) {
    for (const char* text : {"a = 1\nb = [}]\n", "a = 1\nb = [{c = 1}, }]\n", "a = 1\n[[[b]]]\n",
                             "a = 1\nb = {c = ]}\n", "a = 1\nb = ,\n", "a = 1\nb = ]\n"}) {
        BV_EXPECT_ERROR(parse_toml(text, "x.toml"), "x.toml:2");
    }
}

TEST(Toml, NodesKnowTheirFileAndLine) {
    const toml::table table = parse_toml("[a]\nb = 2\n", "x.toml");
    EXPECT_EQ(table["a"]["b"].node()->source().begin.line, 2U);
    EXPECT_EQ(table["a"]["b"].value<int>(), 2);
}

}  // namespace
}  // namespace bv
