#include "io/crc32c.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(Crc32c, EqualsTheVectorsOfRfc3720) {
    EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
    EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8A9136AAu);
    EXPECT_EQ(crc32c(std::string(32, '\xFF').data(), 32), 0x62A8AB43u);
}

TEST(Crc32c, ContinuesFromThePartBefore) {
    const std::string text = "the quick brown fox jumps over the lazy dog";
    const std::uint32_t whole = crc32c(text.data(), text.size());
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        EXPECT_EQ(crc32c(text.data() + cut, text.size() - cut, crc32c(text.data(), cut)), whole) << cut;
    }
}

TEST(Crc32c, OfNothingIsZero) {
    EXPECT_EQ(crc32c(nullptr, 0), 0u);
}

}  // namespace
}  // namespace bv
