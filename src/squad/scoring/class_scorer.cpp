#include "squad/scoring/class_scorer.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "squad/scoring/question_windows.hpp"

namespace bv {
namespace {

/// Counts of a binary decision; positive = no answer.
struct Confusion {
    double true_positives = 0;
    double wrong = 0;
    double total = 0;

    void add(bool says_none, bool is_none) {
        true_positives += says_none && is_none ? 1 : 0;
        wrong += says_none != is_none ? 1 : 0;
        ++total;
    }

    double exact() const { return 100.0 * (total - wrong) / total; }

    /// 0 if "no answer" is neither predicted nor true for any question.
    double f1() const {
        const double denominator = 2 * true_positives + wrong;
        return denominator > 0 ? 100.0 * 2 * true_positives / denominator : 0.0;
    }
};

}  // namespace

std::vector<QuestionClass> classify_questions(const Features& features, const ClassLogits& logits) {
    BV_EXPECT(logits.logits.size() == 2 * static_cast<std::size_t>(features.count()));
    std::vector<QuestionClass> classes;
    for (const QuestionWindows& windows : windows_of_questions(features)) {
        QuestionClass question{windows.question, 1.0, windows.first, false};
        for (std::int64_t window = windows.first; window < windows.last; ++window) {
            const float* pair = &logits.logits[2 * static_cast<std::size_t>(window)];
            const double odds = double{pair[1]} - double{pair[0]};
            if (const double probability = 1 / (1 + std::exp(-odds));
                probability < question.none_probability) {
                question.none_probability = probability;
                question.window = window;
            }
            question.reference_none = question.reference_none || odds > 0;
        }
        classes.push_back(question);
    }
    return classes;
}

nlohmann::ordered_json class_scores(const Features& features, const std::vector<QuestionClass>& classes) {
    Confusion ours;
    Confusion reference;
    std::int64_t without_answer = 0;
    BV_EXPECT(!classes.empty());
    for (const QuestionClass& question : classes) {
        const bool is_none = features.questions[static_cast<std::size_t>(question.question)].answers.empty();
        ours.add(question.none_probability > 0.5, is_none);
        reference.add(question.reference_none, is_none);
        without_answer += is_none ? 1 : 0;
    }
    const auto total = static_cast<std::int64_t>(classes.size());
    return {{"exact", ours.exact()},
            {"f1", ours.f1()},
            {"total", total},
            {"reference_exact", reference.exact()},
            {"reference_f1", reference.f1()},
            {"majority_exact", 100.0 * static_cast<double>(std::max(without_answer, total - without_answer)) /
                                   static_cast<double>(total)}};
}

}  // namespace bv
