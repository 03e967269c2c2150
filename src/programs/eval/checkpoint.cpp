#include "optim/checkpoint.hpp"

#include <optional>

#include "bert/pretrained.hpp"
#include "comm/collective.hpp"
#include "core/error.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/scored_model.hpp"
#include "programs/eval/threshold.hpp"
#include "programs/shared/bert_logits.hpp"
#include "programs/shared/precision.hpp"
#include "programs/shared/provenance.hpp"
#include "squad/features/features_file.hpp"
#include "states/compatibility.hpp"

namespace bv {

Task task_of(const EvalOptions& options) {
    const auto info = read_checkpoint(options.checkpoint);
    if (!info && !options.task) {
        fail("{} has no checkpoint.json: give its task, --task span or --task classification",
             options.checkpoint.string());
    }
    if (info && options.task && info->task != *options.task) {
        fail("--task {}, but {} was fine-tuned for {}", *options.task, options.checkpoint.string(),
             info->task);
    }
    return info ? info->task : *options.task;
}

Evaluation evaluate_checkpoint(const EvalOptions& options, const Communicator& ranks) {
    Compute compute = open_device(options.compute, ranks);
    Evaluation evaluation;
    std::optional<Model> model;
    ranks.agree([&] {
        const auto info = read_checkpoint(options.checkpoint);
        const Task task = task_of(options);
        evaluation.features = read_features(options.features);
        require_fit(evaluation.features, options.features, options.checkpoint,
                    read_bert_config(options.checkpoint));
        const std::string fingerprint = model_fingerprint(options.checkpoint);
        nlohmann::ordered_json checkpoint = source_of(options.checkpoint, fingerprint);
        evaluation.model = checkpoint_name(fingerprint);
        model = Model::load(options.checkpoint, task, Use::logits);
        evaluation.fingerprint = evaluation.features.fingerprint();
        evaluation.threshold = chosen_threshold(options, evaluation, task);
        if (info) {
            evaluation.origin["epoch"] = info->epoch.text();
            checkpoint["step"] = info->step;
            checkpoint["seed"] = info->seed;
        }
        evaluation.origin["parameters"] = model->parameter_count();
        evaluation.origin["checkpoint"] = checkpoint;
    });
    ranks.require_equal(evaluation.fingerprint, options.features.string());
    ranks.require_equal(evaluation.model, options.checkpoint.string());
    choose_precision(compute, options.compute.precision, {.checkpoint = options.checkpoint}, model->config(),
                     ranks);
    evaluation.origin["precision"] = compute.precision_name();
    model->to(compute.device, compute.precision);
    model->freeze();
    Collective& collective = make_collective(ranks, compute.gpu());
    evaluation.sources.push_back(options.checkpoint.string());
    evaluation.models.push_back(
        predict(*model, evaluation.features, evaluation.fingerprint, ranks, collective, WhenTold::end));
    evaluation.computed = true;
    return evaluation;
}

}  // namespace bv
