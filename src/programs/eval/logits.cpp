#include "squad/scoring/logits.hpp"

#include "core/error.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/scored_model.hpp"
#include "programs/eval/threshold.hpp"
#include "programs/shared/provenance.hpp"
#include "squad/features/features_file.hpp"

namespace bv {
namespace {

Logits read_logits(const std::filesystem::path& path, const Evaluation& evaluation,
                   const std::filesystem::path& features_path) {
    Logits logits;
    std::size_t wanted = 0;
    std::size_t found = 0;
    if (task_of_logits(path) == Task::span) {
        const auto& span = logits.emplace<SpanLogits>(read_span_logits(path));
        wanted = static_cast<std::size_t>(evaluation.features.tokens());
        found = span.start.size();
    } else {
        const auto& pairs = logits.emplace<ClassLogits>(read_class_logits(path));
        wanted = 2 * static_cast<std::size_t>(evaluation.features.count());
        found = pairs.logits.size();
    }
    const std::string& features = std::visit([](const auto& own) { return own.features; }, logits);
    if (features != evaluation.fingerprint) {
        fail("{} belongs to other features ({}) than {} ({})", path.string(), features,
             features_path.string(), evaluation.fingerprint);
    }
    if (found != wanted)
        fail("{} holds {} logits, {} needs {}", path.string(), found, features_path.string(), wanted);
    return logits;
}

}  // namespace

Evaluation evaluate_logits(const EvalOptions& options) {
    Evaluation evaluation;
    evaluation.features = read_features(options.features);
    evaluation.fingerprint = evaluation.features.fingerprint();
    auto files = nlohmann::ordered_json::array();
    for (const std::filesystem::path& path : options.logits) {
        evaluation.models.push_back(read_logits(path, evaluation, options.features));
        if (evaluation.models.back().index() != evaluation.models.front().index()) {
            fail("{} and {} hold logits of different tasks", options.logits.front().string(), path.string());
        }
        evaluation.sources.push_back(path.string());
        files.push_back(source_of(path));
    }
    if (options.logits.size() == 1) evaluation.model = model_of_logits(options.logits.front());
    const bool span = std::holds_alternative<SpanLogits>(evaluation.models.front());
    evaluation.threshold = chosen_threshold(options, evaluation, span ? Task::span : Task::classification);
    evaluation.origin["logits"] = files;
    if (files.size() > 1) evaluation.origin["combine"] = to_string(options.combine);
    return evaluation;
}

}  // namespace bv
