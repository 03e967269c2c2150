#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define BV_HOST_DEVICE __host__ __device__
#else
#define BV_HOST_DEVICE
#endif

namespace bv {

/// Philox4x32-10's constants (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2,
/// 3").
inline constexpr std::uint32_t kPhiloxMultiplier0 = 0xD2511F53;
inline constexpr std::uint32_t kPhiloxMultiplier1 = 0xCD9E8D57;
inline constexpr std::uint32_t kPhiloxWeyl0 = 0x9E3779B9;
inline constexpr std::uint32_t kPhiloxWeyl1 = 0xBB67AE85;
inline constexpr int kPhiloxRounds = 10;

/// Which random bits of the dropout law an element gets. Elements form groups of 128. Element i of an example
/// gets 16 bits: half-word number (i % 128) / 16 of the counter whose first word is (i / 128) * 16 + i % 16.
/// So neighbouring elements get bits of neighbouring counters, which suits vector registers.
inline constexpr std::int64_t kPhiloxLanes = 16;
inline constexpr std::int64_t kPhiloxGroup = 128;

/// A stream of random words: a key and three of the four words of the counter. The first word counts on.
struct PhiloxStream {
    std::uint32_t key0 = 0, key1 = 0;
    std::uint32_t c1 = 0, c2 = 0, c3 = 0;
};

/// The parts of the dropout law that do not depend on the element. The key is the seed; the words of the
/// counter are example, layer and site, and step.
struct DropoutStream : PhiloxStream {
    std::uint32_t threshold = 0;  ///< an element is kept if its 16 bits are at least this number
    float scale = 1;              ///< 1 / keep probability
};

/// The four words of one counter.
struct PhiloxWords {
    std::uint32_t c[4];
};

/// The words of counter (c0, c1, c2, c3) of `stream`.
BV_HOST_DEVICE inline PhiloxWords philox(const PhiloxStream& stream, std::uint32_t c0) {
    std::uint32_t c1 = stream.c1;
    std::uint32_t c2 = stream.c2;
    std::uint32_t c3 = stream.c3;
    std::uint32_t key0 = stream.key0;
    std::uint32_t key1 = stream.key1;
    for (int round = 0; round < kPhiloxRounds; ++round) {
        const std::uint64_t product0 = static_cast<std::uint64_t>(kPhiloxMultiplier0) * c0;
        const std::uint64_t product1 = static_cast<std::uint64_t>(kPhiloxMultiplier1) * c2;
        c0 = static_cast<std::uint32_t>(product1 >> 32) ^ c1 ^ key0;
        c2 = static_cast<std::uint32_t>(product0 >> 32) ^ c3 ^ key1;
        c1 = static_cast<std::uint32_t>(product1);
        c3 = static_cast<std::uint32_t>(product0);
        key0 += kPhiloxWeyl0;
        key1 += kPhiloxWeyl1;
    }
    return {{c0, c1, c2, c3}};
}

/// Half-word `half` (0 to 7) of the four words.
BV_HOST_DEVICE inline std::uint32_t half_word(const PhiloxWords& words, int half) {
    return words.c[half / 2] >> (16 * (half % 2)) & 0xFFFFU;
}

}  // namespace bv
