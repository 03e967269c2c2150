#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace bv {

/// The largest number that an option takes where it names no other limit: a product of two such whole numbers
/// stays below 2^63.
inline constexpr double kLargestNumber = 1e9;

/// The most threads of a process: more than any host has cores, and few enough to start.
inline constexpr double kMostThreads = 1024;

// These say which numbers an option takes, for CLI11's ->check(...). CommandLine makes sure that they are
// numbers.

/// `least` to `most`, both included.
CLI::Validator within(double least, double most);

/// `least` to kLargestNumber.
CLI::Validator at_least(double least);

/// Every number above 0: a learning rate has no upper limit, so that a user may try any.
CLI::Validator above_0();

/// 0, which has a meaning of its own, or `least` to kLargestNumber.
CLI::Validator zero_or(double least);

/// Says why `text` is no number that a T holds (double, int, std::int64_t, std::uint64_t); empty where it is
/// one. Then `text` loses a plus sign and leading zeros, with which CLI11 would read another number. NaN and
/// the infinities are no numbers.
template <class T>
std::string number_complaint(std::string& text);

}  // namespace bv
