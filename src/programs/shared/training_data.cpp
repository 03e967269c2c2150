#include "programs/shared/training_data.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "io/paths.hpp"
#include "optim/checkpoint.hpp"

namespace bv {
namespace {

/// A text about how the checkpoint in `folder` has changed since states were made with weights of the
/// fingerprint `made_with`. Empty when it has not changed.
std::string change_of(const std::filesystem::path& folder, const std::string& made_with) {
    try {
        const auto checkpoint = read_checkpoint(folder);
        const std::string found = checkpoint ? checkpoint->model_fingerprint : weights_fingerprint(folder);
        if (found == made_with) return "";
        return fmt::format("its weights were {} and are {}{}", made_with, found,
                           checkpoint ? fmt::format(" (epoch {})", checkpoint->epoch.text()) : "");
    } catch (const Error& damage) {
        return damage.what();
    }
}

}  // namespace

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

void require_unchanged_checkpoint(const StoreInfo& info, const std::string& name,
                                  bool allow_other_checkpoint) {
    const std::filesystem::path folder = info.checkpoint_path;
    if (folder.empty() || !is_folder(folder)) return;
    const std::string change = change_of(folder, info.checkpoint);
    if (change.empty()) return;
    const std::string text = fmt::format("{} holds states of the checkpoint {}, which has changed since: {}",
                                         name, folder.string(), change);
    if (!allow_other_checkpoint) {
        fail("{}; make the store again (bv_extract --force), or use its states with --allow-other-checkpoint",
             text);
    }
    spdlog::warn("{}", text);
}

}  // namespace bv
