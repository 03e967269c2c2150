#include "core/nearest.hpp"

#include <gmock/gmock.h>

namespace bv {
namespace {

TEST(Nearest, FewestEditsWin) {
    EXPECT_EQ(nearest("bacth", {"epochs", "batch", "seed"}), "batch");
    EXPECT_EQ(nearest("sed", {"epochs", "batch", "seed"}), "seed");
    EXPECT_EQ(nearest("", {"epochs", "seed"}), "seed");
}

}  // namespace
}  // namespace bv
