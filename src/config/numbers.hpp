#pragma once

#include <functional>
#include <string>

namespace bv {

/// The largest number that an option takes where it names no other limit: a product of two such whole numbers
/// stays below 2^63.
inline constexpr double kLargestNumber = 1e9;

/// The most threads of a process: more than any host has cores, and few enough to start.
inline constexpr double kMostThreads = 1024;

/// The numbers that an option takes, for Option::check. CommandLine makes sure that they are numbers.
struct Numbers {
    std::function<bool(double)> includes;  ///< whether a number is one of them
    std::string text;                      ///< which they are, for --help and messages: "0 to 1"

    /// Says why `number` is none of them; empty where it is one.
    std::string complaint(const std::string& number) const;
};

/// `least` to `most`, both included.
Numbers within(double least, double most);

/// `least` to kLargestNumber.
Numbers at_least(double least);

/// Every number above 0: a learning rate has no upper limit, so that a user may try any.
Numbers above_0();

/// 0, which has a meaning of its own, or `least` to kLargestNumber.
Numbers zero_or(double least);

/// Says why `text` is no number that a T holds (double, int, std::int64_t, std::uint64_t); empty where it is
/// one. Then `text` loses a plus sign and leading zeros, with which CLI11 would read another number. NaN and
/// the infinities are no numbers.
template <class T>
std::string number_complaint(std::string& text);

}  // namespace bv
