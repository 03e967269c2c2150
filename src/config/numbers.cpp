#include "config/numbers.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <fmt/format.h>

namespace bv {
namespace {

/// `text` in quotes; only the beginning of a long text.
std::string in_quotes(const std::string& text) {
    constexpr std::size_t kMost = 30;
    return text.size() <= kMost ? fmt::format("'{}'", text) : fmt::format("'{}...'", text.substr(0, kMost));
}

double value_of(const std::string& text) {
    double value = std::nan("");
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::string Numbers::complaint(const std::string& number) const {
    return includes(value_of(number)) ? "" : fmt::format("found {}, expected {}", in_quotes(number), text);
}

Numbers within(double least, double most) {
    return {[=](double value) { return value >= least && value <= most; },
            fmt::format("{} to {}", least, most)};
}

Numbers at_least(double least) {
    return within(least, kLargestNumber);
}

Numbers above_0() {
    return {[](double value) { return value > 0; }, "a number above 0"};
}

Numbers zero_or(double least) {
    return {[=](double value) { return value == 0 || (value >= least && value <= kLargestNumber); },
            fmt::format("0, or {} to {}", least, kLargestNumber)};
}

template <class T>
std::string number_complaint(std::string& text) {
    constexpr bool kWhole = std::is_integral_v<T>;
    const char* begin = text.data() + (text.starts_with('+') && !text.starts_with("+-") ? 1 : 0);
    const char* end = text.data() + text.size();
    T value{};
    const auto [stop, wrong] = std::from_chars(begin, end, value);
    if (stop == end && wrong == std::errc::result_out_of_range) {
        return fmt::format("found {}, a {} beyond {}", in_quotes(text), kWhole ? "whole number" : "number",
                           kWhole ? fmt::format("{} bits", 8 * sizeof(T)) : "double's range");
    }
    if (stop != end || wrong != std::errc() || !std::isfinite(static_cast<double>(value))) {
        return fmt::format("found {}, expected a {}{}", in_quotes(text), kWhole ? "whole number" : "number",
                           std::is_unsigned_v<T> ? ", 0 or more" : "");
    }
    if constexpr (kWhole) {
        text = fmt::format("{}", value);
    } else {
        text.erase(0, static_cast<std::size_t>(begin - text.data()));
    }
    return {};
}

template std::string number_complaint<double>(std::string&);
template std::string number_complaint<int>(std::string&);
template std::string number_complaint<std::int64_t>(std::string&);
template std::string number_complaint<std::uint64_t>(std::string&);

}  // namespace bv
