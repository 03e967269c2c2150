#include "squad/scoring/probabilities.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace bv {
namespace {

#if defined(__x86_64__)
/// After a copy by glibc's AVX-512 instructions, each call of exp waits until the upper halves of registers
/// are empty: a sum of exponentials takes ten times as long. This empties them; no value changes.
__attribute__((target("avx"))) void empty_upper_halves() {
    __builtin_ia32_vzeroupper();
}
const bool kHasUpperHalves = __builtin_cpu_supports("avx") != 0;
#else
void empty_upper_halves() {}
constexpr bool kHasUpperHalves = false;
#endif

/// Subtracts log(sum(exp(logits))) in place.
void normalise(std::span<float> logits) {
    if (kHasUpperHalves) empty_upper_halves();
    const double highest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - highest);
    const double log_sum = highest + std::log(sum);
    for (float& logit : logits) logit = static_cast<float>(logit - log_sum);
}

/// Adds the log-probabilities of one more model to `all`: by the maximum, or by the logarithm of the sum of
/// probabilities.
void accumulate(std::vector<float>& all, const std::vector<float>& next, Combine how) {
    BV_EXPECT(all.size() == next.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const double high = std::max(all[i], next[i]);
        const double low = std::min(all[i], next[i]);
        all[i] = static_cast<float>(how == Combine::max ? high : high + std::log1p(std::exp(low - high)));
    }
}

void divide(std::vector<float>& log_sums, std::size_t models) {
    for (float& value : log_sums) value = static_cast<float>(value - std::log(static_cast<double>(models)));
}

}  // namespace

SpanLogits log_softmax(const Features& features, const SpanLogits& logits) {
    BV_EXPECT(logits.start.size() == static_cast<std::size_t>(features.tokens()));
    BV_EXPECT(logits.end.size() == logits.start.size());
    SpanLogits result = logits;
    for (std::int64_t f = 0; f < features.count(); ++f) {
        const auto base = static_cast<std::size_t>(features.starts[static_cast<std::size_t>(f)]);
        const auto tokens = static_cast<std::size_t>(features.tokens_of(f));
        normalise(std::span(result.start).subspan(base, tokens));
        normalise(std::span(result.end).subspan(base, tokens));
    }
    return result;
}

SpanLogits combine(const Features& features, std::span<const SpanLogits> models, Combine how) {
    BV_EXPECT(!models.empty());
    SpanLogits result = log_softmax(features, models[0]);
    for (const SpanLogits& model : models.subspan(1)) {
        const SpanLogits next = log_softmax(features, model);
        accumulate(result.start, next.start, how);
        accumulate(result.end, next.end, how);
    }
    if (how == Combine::mean) {
        divide(result.start, models.size());
        divide(result.end, models.size());
    }
    return result;
}

ClassLogits log_softmax(const ClassLogits& logits) {
    ClassLogits result = logits;
    for (std::size_t i = 0; i + 1 < result.logits.size(); i += 2)
        normalise(std::span(result.logits).subspan(i, 2));
    return result;
}

ClassLogits combine(std::span<const ClassLogits> models, Combine how) {
    BV_EXPECT(!models.empty());
    ClassLogits result = log_softmax(models[0]);
    for (const ClassLogits& model : models.subspan(1))
        accumulate(result.logits, log_softmax(model).logits, how);
    if (how == Combine::mean) divide(result.logits, models.size());
    return result;
}

}  // namespace bv
