#include "core/size_text.hpp"

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(SizeText, TakesTheUnitThatFits) {
    EXPECT_EQ(size_text(1234), "1.2 kB");
    EXPECT_EQ(size_text(65.4e6), "65.4 MB");
    EXPECT_EQ(size_text(1.5e9), "1.50 GB");
    EXPECT_EQ(size_text(5.234e12), "5.23 TB");
}

}  // namespace
}  // namespace bv
