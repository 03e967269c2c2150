#include "optim/epoch.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "core/error.hpp"

namespace bv {
namespace {

constexpr std::size_t kMostDigits = 9;
constexpr std::int64_t kLargest = 999'999'999;  // of so many digits; products of two stay below 2^63
constexpr std::size_t kMostCheckpoints = 10'000;

/// The number that `text` is; no value unless it has one to nine digits and nothing else.
std::optional<std::int64_t> whole_number(std::string_view text) {
    if (text.empty() || text.size() > kMostDigits) return std::nullopt;
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

std::int64_t power_of_ten(std::size_t exponent) {
    std::int64_t value = 1;
    for (std::size_t i = 0; i < exponent; ++i) value *= 10;
    return value;
}

bool representable(std::int64_t numerator, std::int64_t denominator) {
    const std::int64_t divisor = std::gcd(numerator, denominator);
    return numerator / divisor <= kLargest && denominator / divisor <= kLargest;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string_view without_spaces(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

/// The numerator and denominator of a + b, not reduced.
std::pair<std::int64_t, std::int64_t> sum_of(const EpochFraction& a, const EpochFraction& b) {
    const std::int64_t shared = std::gcd(a.denominator(), b.denominator());
    const std::int64_t a_scale = b.denominator() / shared;
    const std::int64_t b_scale = a.denominator() / shared;
    return {a.numerator() * a_scale + b.numerator() * b_scale, a.denominator() * a_scale};
}

void add_range(std::string_view item, const std::vector<std::string_view>& ends,
               std::vector<EpochFraction>& plan) {
    const EpochFraction last = EpochFraction::parse(ends[1]);
    const EpochFraction step = EpochFraction::parse(ends[2]);
    EpochFraction at = EpochFraction::parse(ends[0]);
    if (step == EpochFraction()) fail("checkpoints: the step of '{}' is 0", item);
    if (at > last) fail("checkpoints: '{}' ends before it starts", item);
    while (at < last) {
        if (plan.size() >= kMostCheckpoints) {
            fail("checkpoints: '{}' makes more than {} checkpoints", item, kMostCheckpoints);
        }
        plan.push_back(at);
        const auto [numerator, denominator] = sum_of(at, step);
        if (!representable(numerator, denominator)) {
            fail("checkpoints: '{}' has an epoch after {} that is no fraction of numbers up to {}", item,
                 at.text(), kLargest);
        }
        at = {numerator, denominator};
    }
    if (at != last) fail("checkpoints: '{}' steps past its end, {}", item, last.label());
    plan.push_back(last);
}

}  // namespace

EpochFraction::EpochFraction(std::int64_t numerator, std::int64_t denominator) {
    BV_EXPECT(numerator >= 0 && denominator > 0 && representable(numerator, denominator));
    const std::int64_t divisor = std::gcd(numerator, denominator);
    numerator_ = numerator / divisor;
    denominator_ = denominator / divisor;
}

EpochFraction EpochFraction::parse(std::string_view text) {
    const auto parsed = [](std::string_view number) -> std::optional<EpochFraction> {
        std::optional<std::int64_t> numerator;
        std::optional<std::int64_t> denominator = 1;
        if (const std::size_t slash = number.find('/'); slash != std::string_view::npos) {
            numerator = whole_number(number.substr(0, slash));
            denominator = whole_number(number.substr(slash + 1));
        } else if (const std::size_t point = number.find('.'); point != std::string_view::npos) {
            const auto whole = whole_number(number.substr(0, point));
            const std::string_view decimals = number.substr(point + 1);
            const auto part = whole_number(decimals);
            if (!whole || !part) return std::nullopt;
            denominator = power_of_ten(decimals.size());
            numerator = *whole * *denominator + *part;
        } else {
            numerator = whole_number(number);
        }
        if (!numerator || !denominator || *denominator == 0 || !representable(*numerator, *denominator)) {
            return std::nullopt;
        }
        return EpochFraction(*numerator, *denominator);
    }(without_spaces(text));
    if (!parsed) fail("'{}' is not a fraction of an epoch; expected a number such as 0.3, 3/10 or 1", text);
    return *parsed;
}

std::string EpochFraction::text() const {
    return denominator_ == 1 ? std::to_string(numerator_) : fmt::format("{}/{}", numerator_, denominator_);
}

std::string EpochFraction::label() const {
    for (std::size_t decimals = 0; decimals <= kMostDigits; ++decimals) {
        const std::int64_t scale = power_of_ten(decimals);
        if (scale % denominator_ != 0) continue;
        const std::int64_t part = numerator_ % denominator_ * (scale / denominator_);
        const std::int64_t whole = numerator_ / denominator_;
        return decimals == 0 ? std::to_string(whole) : fmt::format("{}.{:0{}}", whole, part, decimals);
    }
    return fmt::format("{}_{}", numerator_, denominator_);
}

std::int64_t EpochFraction::step(std::int64_t steps_per_epoch) const {
    BV_EXPECT(steps_per_epoch >= 0 && steps_per_epoch <= kLargest);
    return (numerator_ * steps_per_epoch + denominator_ - 1) / denominator_;
}

EpochFraction operator+(const EpochFraction& a, const EpochFraction& b) {
    const auto [numerator, denominator] = sum_of(a, b);
    return {numerator, denominator};
}

std::strong_ordering operator<=>(const EpochFraction& a, const EpochFraction& b) {
    return a.numerator_ * b.denominator_ <=> b.numerator_ * a.denominator_;
}

std::vector<EpochFraction> parse_checkpoints(std::string_view plan) {
    std::vector<EpochFraction> fractions;
    for (const std::string_view item : split(plan, ',')) {
        if (without_spaces(item).empty()) fail("checkpoints: '{}' has an empty item", plan);
        const auto ends = split(item, ':');
        if (ends.size() == 1) {
            fractions.push_back(EpochFraction::parse(item));
        } else if (ends.size() == 3) {
            add_range(item, ends, fractions);
        } else {
            fail("checkpoints: '{}' is neither a fraction nor a range first:last:step", item);
        }
    }
    std::sort(fractions.begin(), fractions.end());
    fractions.erase(std::unique(fractions.begin(), fractions.end()), fractions.end());
    return fractions;
}

}  // namespace bv
