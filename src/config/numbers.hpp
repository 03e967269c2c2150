#pragma once

#include <functional>
#include <string>

namespace bv {

/// The largest number that an option allows if it sets no other limit. A product of two such whole numbers is
/// below 2^63.
inline constexpr double kLargestNumber = 1e9;

/// The largest seed from which initial values are drawn: Torch takes the lower 32 bits of a seed, so larger
/// seeds would give the same values as smaller ones.
inline constexpr double kLargestSeed = 4294967295;

/// The largest number of threads of a process. It is more than any host has cores, and a process can start as
/// many.
inline constexpr double kMostThreads = 1024;

/// The numbers that an option allows, for Option::check. CommandLine checks that the user's text is a number.
struct Numbers {
    std::function<bool(double)> includes;  ///< whether a number is one of them
    std::string text;                      ///< describes them for --help and messages: "0 to 1"

    /// If `number` is not allowed, says what was found and what was expected; otherwise empty.
    std::string complaint(const std::string& number) const;
};

/// `least` to `most`, both included.
Numbers within(double least, double most);

/// `least` to kLargestNumber.
Numbers at_least(double least);

/// Every number above 0: a learning rate has no upper limit, so that a user may try any.
Numbers above_0();

/// 0, which has a special meaning, or `least` to kLargestNumber.
Numbers zero_or(double least);

/// If `text` is no number of type T (double, int, std::int64_t, std::uint64_t), says why; NaN and infinity
/// are no numbers. Otherwise returns an empty text and removes a plus sign and leading zeros from `text`,
/// because CLI11 would read another number with them.
template <class T>
std::string number_complaint(std::string& text);

}  // namespace bv
