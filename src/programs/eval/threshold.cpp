#include "programs/eval/threshold.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/json.hpp"
#include "programs/eval/compare.hpp"
#include "programs/eval/scored_model.hpp"
#include "programs/shared/described_features.hpp"
#include "programs/shared/provenance.hpp"

namespace bv {
namespace {

using Pointer = nlohmann::json::json_pointer;

constexpr const char* kThreshold = "/official/best_f1_thresh";
constexpr double kAlwaysNone = -1e9;  // below all null odds

/// The best threshold of official scores. They say 0 if no threshold beats the answer "none" to every
/// question; as null odds are not probabilities, 0 would not give these answers.
double best_threshold(const nlohmann::json& official) {
    const double none_everywhere =
        100 * official.value("NoAns_total", 0.0) / std::max(1.0, official.value("total", 0.0));
    if (official.value("best_f1", 100.0) <= none_everywhere + 1e-9) return kAlwaysNone;
    return official.at("best_f1_thresh").get<double>();
}

/// Throws Error unless the features of the file were made with the same settings, and of other questions.
void require_held_out(const std::string& file, const nlohmann::json& metrics, const Evaluation& evaluation) {
    const Pointer settings("/features/settings");
    const bool of_training = metrics.contains("head") && !metrics.contains("head_folder");
    if (!metrics.contains(settings)) {
        fail("{}: it does not say how its features were made, so it is no whole evaluation: {}", file,
             of_training ? "train the head again, with --held-out or --held-out-store" : "evaluate again");
    }
    const auto own = describe_features("", evaluation.fingerprint, evaluation.features.settings)["settings"];
    require_same_settings(metrics[settings], fmt::format("--threshold-from {}: its features", file), own,
                          "the features to score");
    const Pointer elsewhere("/held_out_features/fingerprint");
    const Pointer scored(metrics.contains("held_out") ? elsewhere : Pointer("/features/fingerprint"));
    if (metrics.contains(scored) && metrics[scored] == evaluation.fingerprint) {
        fail(
            "--threshold-from {}: this evaluation used the questions that you score now. Give an evaluation "
            "of other questions{}. The best threshold of these questions is best_f1_thresh in metrics.json",
            file, of_training ? "; bv_train --held-out or --held-out-store makes one of this head" : "");
    }
}

/// Throws Error unless the file is of the model that is to be scored, as far as that is known.
void require_same_model(const std::filesystem::path& path, const nlohmann::json& metrics,
                        const Evaluation& evaluation) {
    if (evaluation.model.empty()) return;
    const std::string found = scored_model(path, metrics);
    if (found == evaluation.model) return;
    if (found.empty()) {
        fail(
            "--threshold-from {}: it does not say which model it is of; a threshold is chosen for one model: "
            "evaluate {} on held-out questions",
            path.string(), evaluation.model);
    }
    fail("--threshold-from {}: it is of {}, but {} is to be scored; a threshold is chosen for one model",
         path.string(), found, evaluation.model);
}

}  // namespace

std::optional<ChosenThreshold> chosen_threshold(const EvalOptions& options, const Evaluation& evaluation,
                                                Task task) {
    if (options.threshold_from.empty()) return std::nullopt;
    if (task != Task::span) fail("--threshold-from is for the task span; a classifier has no null threshold");
    const std::filesystem::path path = metrics_file(options.threshold_from);
    const std::string file = path.string();
    const nlohmann::json metrics = read_json(path);
    if (!metrics.is_object() || metrics.value("task", nlohmann::json()) != to_string(Task::span))
        fail("--threshold-from {}: it is no evaluation of the task span", file);
    const nlohmann::json& scores = metrics.contains("held_out") ? metrics["held_out"] : metrics;
    const Pointer pointer(kThreshold);
    if (!scores.is_object() || !scores.contains(pointer) || !scores[pointer].is_number())
        fail("--threshold-from {}: it has no number '{}'", file, pointer.to_string());
    require_held_out(file, metrics, evaluation);
    require_same_model(path, metrics, evaluation);
    return ChosenThreshold{best_threshold(scores.at("official")), source_of(path)};
}

}  // namespace bv
