#include "squad/scoring/paired_bootstrap.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "random/philox.hpp"

namespace bv {
namespace {

/// What the scores of one system are made of: exact / questions, and f1_top / f1_bottom.
struct Parts {
    double exact = 0;
    double f1_top = 0;
    double f1_bottom = 0;

    Parts& operator+=(const Parts& other) {
        exact += other.exact;
        f1_top += other.f1_top;
        f1_bottom += other.f1_bottom;
        return *this;
    }
    double f1() const { return f1_bottom > 0 ? 100 * f1_top / f1_bottom : 0; }
};

/// Both systems' sums over some questions.
struct Sums {
    double questions = 0;
    std::array<Parts, 2> of = {};

    Sums& operator+=(const Sums& other) {
        questions += other.questions;
        for (std::size_t i = 0; i < of.size(); ++i) of[i] += other.of[i];
        return *this;
    }
    double exact(std::size_t system) const { return 100 * of[system].exact / questions; }
};

Parts span_parts(const QuestionRecords& records, std::size_t q) {
    if (static_cast<double>(records.column<float>("null_odds")[q]) > records.null_threshold) {
        const double right = records.column<std::uint8_t>("answerable")[q] == 0 ? 1 : 0;
        return {right, right, 1};
    }
    return {static_cast<double>(records.column<std::uint8_t>("exact")[q]), records.column<float>("f1")[q], 1};
}

Parts class_parts(const QuestionRecords& records, std::size_t q) {
    const bool says_none = records.column<float>("none_probability")[q] > 0.5F;
    const bool is_none = records.column<std::uint8_t>("answerable")[q] == 0;
    const double true_positive = says_none && is_none ? 1 : 0;
    const double wrong = says_none != is_none ? 1 : 0;
    return {1 - wrong, 2 * true_positive, 2 * true_positive + wrong};
}

/// The sums of each context that has questions, in the order of the first of them.
std::vector<Sums> sums_of_contexts(const QuestionRecords& a, const QuestionRecords& b) {
    const auto context = a.column<std::int32_t>("context");
    const auto parts = a.task == Task::span ? span_parts : class_parts;
    std::unordered_map<std::int32_t, std::size_t> place_of;
    std::vector<Sums> sums;
    for (std::size_t q = 0; q < a.count(); ++q) {
        const auto [found, is_new] = place_of.emplace(context[q], sums.size());
        if (is_new) sums.emplace_back();
        sums[found->second] += {1, {parts(a, q), parts(b, q)}};
    }
    return sums;
}

/// The sums over contexts that are drawn with replacement, as many as there are.
Sums resample(const std::vector<Sums>& contexts, std::int64_t number) {
    const PhiloxStream stream{.key0 = static_cast<std::uint32_t>(kBootstrapSeed),
                              .c1 = static_cast<std::uint32_t>(number)};
    Sums drawn;
    for (std::size_t i = 0; i < contexts.size(); i += 4) {
        const PhiloxWords words = philox(stream, static_cast<std::uint32_t>(i / 4));
        for (std::size_t k = 0; k < 4 && i + k < contexts.size(); ++k)
            drawn += contexts[std::uint64_t{words.c[k]} * contexts.size() >> 32];
    }
    return drawn;
}

/// The quantile of sorted values, between two of them in proportion.
double quantile(const std::vector<double>& sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

ScoreDifference difference_of(double a, double b, std::vector<double> resampled) {
    std::ranges::sort(resampled);
    const auto at_most = std::ranges::count_if(resampled, [](double value) { return value <= 0; });
    const auto at_least = std::ranges::count_if(resampled, [](double value) { return value >= 0; });
    const double fewer = 1 + static_cast<double>(std::min(at_most, at_least));
    return {a, b, quantile(resampled, 0.025), quantile(resampled, 0.975),
            std::min(1.0, 2 * fewer / static_cast<double>(resampled.size() + 1))};
}

}  // namespace

PairedComparison paired_bootstrap(const QuestionRecords& a, const QuestionRecords& b) {
    BV_EXPECT(a.labelled() && b.labelled() && a.task == b.task);
    BV_EXPECT(a.features == b.features && a.count() == b.count() && a.count() > 0);
    const std::vector<Sums> contexts = sums_of_contexts(a, b);
    std::vector<double> exact(kResamples);
    std::vector<double> f1(kResamples);
    parallel_for(kResamples, available_cores(), [&](std::int64_t number) {
        const Sums drawn = resample(contexts, number);
        const auto place = static_cast<std::size_t>(number);
        exact[place] = drawn.exact(1) - drawn.exact(0);
        f1[place] = drawn.of[1].f1() - drawn.of[0].f1();
    });
    Sums whole;
    for (const Sums& context : contexts) whole += context;
    return {static_cast<std::int64_t>(a.count()), static_cast<std::int64_t>(contexts.size()),
            difference_of(whole.exact(0), whole.exact(1), std::move(exact)),
            difference_of(whole.of[0].f1(), whole.of[1].f1(), std::move(f1))};
}

}  // namespace bv
