#include "core/host_name.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(HostName, ItIsTheOneThatTheKernelHas) {
    std::ifstream file("/proc/sys/kernel/hostname");
    std::string expected;
    ASSERT_TRUE(std::getline(file, expected));
    EXPECT_EQ(host_name(), expected);
}

}  // namespace
}  // namespace bv
