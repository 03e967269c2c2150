#include "core/numbers.hpp"

#include <charconv>
#include <cmath>
#include <functional>
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

/// Numbers for which `fits` holds; `expected` says which they are.
CLI::Validator numbers(const std::function<bool(double)>& fits, const std::string& expected) {
    const auto complaint = [fits, expected](const std::string& text) {
        return fits(value_of(text)) ? "" : fmt::format("found {}, expected {}", in_quotes(text), expected);
    };
    return CLI::Validator(complaint, "[" + expected + "]");
}

}  // namespace

CLI::Validator within(double least, double most) {
    return numbers([=](double value) { return value >= least && value <= most; },
                   fmt::format("{} to {}", least, most));
}

CLI::Validator at_least(double least) {
    return within(least, kLargestNumber);
}

CLI::Validator above_0() {
    return numbers([](double value) { return value > 0; }, "a number above 0");
}

CLI::Validator zero_or(double least) {
    return numbers([=](double value) { return value == 0 || (value >= least && value <= kLargestNumber); },
                   fmt::format("0, or {} to {}", least, kLargestNumber));
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
