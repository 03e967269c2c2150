#include "programs/shared/training_data.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "core/log.hpp"

namespace bv {

void warn_of_missing_class(const Features& features, const std::string& name) {
    const auto questions = std::ssize(features.questions);
    const auto unanswerable = std::ranges::count_if(
        features.questions, [](const Question& question) { return question.answers.empty(); });
    if (unanswerable > 0 && unanswerable < questions) return;
    spdlog::warn(
        "{}: {} of its {} questions has an answer, so class {} ({}) is missing and cannot be learned; note "
        "that bv_prepare --limit takes only the first questions of a file",
        name, unanswerable == 0 ? "each" : "none", questions, unanswerable == 0 ? 1 : 0,
        unanswerable == 0 ? "no answer" : "has an answer");
}

void warn_of_shared_questions(const Features& trained, const std::string& trained_name,
                              const Features& scored, const std::string& scored_name) {
    std::unordered_set<std::string_view> ids;
    for (const Question& question : trained.questions) ids.insert(question.id);
    const auto shared = std::ranges::count_if(
        scored.questions, [&](const Question& question) { return ids.contains(question.id); });
    if (shared == 0) return;
    spdlog::warn(
        "{}: {} of its {} questions are also in {}, which is trained on; their scores do not hold for other "
        "questions",
        scored_name, shared, scored.questions.size(), trained_name);
}

}  // namespace bv
