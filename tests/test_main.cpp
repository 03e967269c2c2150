#include <gmock/gmock.h>

#include "helpers/allowed_skips.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleMock(&argc, argv);
    testing::UnitTest::GetInstance()->listeners().Append(new bv::AllowedSkips(BV_ALLOWED_SKIPS));
    return RUN_ALL_TESTS();
}
