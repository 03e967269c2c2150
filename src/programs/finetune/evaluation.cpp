#include "programs/finetune/evaluation.hpp"

#include <variant>

#include "core/error.hpp"
#include "core/log.hpp"
#include "programs/finetune/command.hpp"
#include "programs/shared/bert_logits.hpp"
#include "squad/features/features_file.hpp"
#include "squad/scoring/scores.hpp"
#include "states/compatibility.hpp"

namespace bv {

using Json = nlohmann::json;

TuningEvaluation::TuningEvaluation(const FinetuneOptions& options, const BertConfig& config)
    : path_(options.eval_features),
      features_(read_features(path_)),
      fingerprint_(features_.fingerprint()),
      history_(options.task, options.eval_metric, options.patience) {
    if (!features_.labelled) fail("{} has no gold answers to evaluate on", path_.string());
    if (features_.count() == 0) fail("{} holds no features", path_.string());
    require_fit(features_, path_, options.model, config);
}

EvaluationHistory TuningEvaluation::history_of(const ResumeState& state) const {
    const Json earlier = Json::parse(state.totals).value("evaluations", Json::array());
    for (const Json& evaluation : earlier) {
        if (evaluation.at("features") != fingerprint_) {
            fail("{} holds the features {}, but this run was evaluated on the features {} before",
                 path_.string(), fingerprint_, evaluation.at("features").get<std::string>());
        }
    }
    EvaluationHistory history = history_;
    history.restore(earlier);
    return history;
}

void TuningEvaluation::evaluate(const Model& model, const EpochFraction& epoch, std::int64_t step,
                                double rank_hours, const Communicator& ranks, Collective& collective) {
    const Logits logits = predict(model, features_, fingerprint_, ranks, collective);
    Json evaluation;
    ranks.root_only([&] {
        require_finite(features_, logits, fmt::format("the model of epoch {}", epoch.text()));
        evaluation = {
            {"step", step}, {"epoch", epoch.text()}, {"features", fingerprint_}, {"rank_hours", rank_hours}};
        evaluation.update(Json(std::visit([&](const auto& own) { return score(features_, own); }, logits)));
    });
    history_.add(Json::parse(ranks.broadcast(evaluation.dump())));
    spdlog::info("{}", history_.last_text(model.device().is_cuda() ? "GPU-hours" : "rank-hours"));
}

}  // namespace bv
