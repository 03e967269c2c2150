#pragma once

#include <cstdint>

#include "squad/scoring/question_records.hpp"

namespace bv {

/// A score of two systems on the same questions, in percent, and how sure their difference is.
struct ScoreDifference {
    double a = 0;
    double b = 0;
    double low = 0;  ///< the 95 % interval of b - a
    double high = 0;
    double p = 1;  ///< two-sided: how often noise alone gives a difference as large

    double difference() const { return b - a; }
    bool in_noise() const { return low <= 0 && high >= 0; }
};

/// The fewest contexts for a verdict.
inline constexpr std::int64_t kFewestContexts = 20;

/// Two systems, question by question.
struct PairedComparison {
    std::int64_t questions = 0;
    std::int64_t contexts = 0;
    ScoreDifference exact;
    ScoreDifference f1;

    /// Whether there are too few contexts for a verdict or a p value: so few resampled contexts vary less
    /// than new ones would, so the intervals are too narrow.
    bool has_few_contexts() const { return contexts < kFewestContexts; }
};

inline constexpr std::int64_t kResamples = 10'000;
inline constexpr std::uint64_t kBootstrapSeed = 1;

/// Compares the answers as given (span: "none" where null odds are above the records' threshold; classifier:
/// "none" where its probability is above 1/2) by a paired bootstrap. Each resample draws as many contexts as
/// there are, with replacement, and takes all questions of each, for both systems the same: questions on one
/// paragraph are not independent (the cluster bootstrap of Field and Welsh 2007, "Bootstrapping clustered
/// data"). The interval runs from the 2.5th to the 97.5th percentile of the resamples' differences (Efron and
/// Tibshirani 1993, "An Introduction to the Bootstrap": the percentile interval). p is twice the smaller
/// share of resamples whose difference is at most, or at least, 0; the sample itself counts as one more.
///
/// EM and F1 of spans are means over the questions. A classifier's EM is its accuracy; its F1 is that of each
/// resample, with "no answer" as positive. The same records give the same result on any machine. Both records
/// are labelled, of one task and of the same features. Uses all available cores.
PairedComparison paired_bootstrap(const QuestionRecords& a, const QuestionRecords& b);

}  // namespace bv
