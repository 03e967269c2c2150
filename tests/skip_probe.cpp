// Tests that are skipped for a known and for an unknown reason; skips_test.py looks at what becomes of them.
#include <gtest/gtest.h>

TEST(Skip, Known) {
    GTEST_SKIP() << "0 GPUs for 1 rank";
}

TEST(Skip, Unknown) {
    GTEST_SKIP() << "no moon tonight";
}
