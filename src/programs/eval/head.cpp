#include "programs/eval/head.hpp"

#include <optional>

#include <ATen/ATen.h>

#include "bert/config.hpp"
#include "comm/collective.hpp"
#include "core/error.hpp"
#include "io/paths.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/scored_model.hpp"
#include "programs/eval/threshold.hpp"
#include "programs/shared/head_folder.hpp"
#include "programs/shared/precision.hpp"
#include "programs/shared/provenance.hpp"
#include "programs/shared/share_of_states.hpp"
#include "programs/shared/unchanged_checkpoint.hpp"

namespace bv {

TrainedHead read_trained(const std::filesystem::path& folder) {
    if (!is_there(folder / "head.json") && has_diverged(folder)) {
        fail(
            "{}: the training of this head diverged, as its metrics.json says: it has no weights to evaluate",
            folder.string());
    }
    return load_head(folder);
}

HeadOverStates open_head(const EvalOptions& options, Compute& compute, const Communicator& ranks) {
    std::optional<HeadOverStates> opened;
    ranks.agree([&] {
        const std::filesystem::path& folder = options.heads.front();
        opened.emplace(HeadOverStates{read_trained(folder), head_fingerprint(folder), nullptr});
        const TrainedHead& trained = opened->trained;
        const Task task = trained.head.definition().task;
        const std::vector<std::int64_t>& layers = trained.origin.layers;
        opened->source = options.store.empty() ? open_checkpoint(options.checkpoint, options.features, task,
                                                                 compute.device, layers)
                                               : open_store(options.store, 0, layers, compute.device);
        const StateSource& source = *opened->source;
        opened->other_checkpoint =
            require_head_fits(trained.head, trained.origin, source, options.allow_other_checkpoint);
        opened->first_state = first_state(trained.head, trained.origin, source.info());
    });
    StateSource& source = *opened->source;
    require_same_states(source, ranks);
    ranks.require_equal(opened->fingerprint, options.heads.front().string());
    ranks.root_only([&] {
        if (!options.store.empty())
            require_unchanged_checkpoint(source.info(), source.name(), options.allow_other_checkpoint);
    });
    if (options.store.empty()) {
        choose_precision(compute, options.compute.precision, {.checkpoint = options.checkpoint},
                         read_bert_config(options.checkpoint), ranks);
        source.multiply_in(compute.precision);
    }
    opened->trained.head.to(compute.device);
    return std::move(*opened);
}

Evaluation evaluate_head(const EvalOptions& options, const Communicator& ranks) {
    const std::filesystem::path& folder = options.heads.front();
    Compute compute = open_device(options.compute, ranks);
    const HeadOverStates opened = open_head(options, compute, ranks);
    const TrainedHead& trained = opened.trained;
    const StateSource& source = *opened.source;
    Evaluation evaluation;
    ranks.agree([&] {
        evaluation.features = source.features();
        evaluation.fingerprint = source.info().features;
        evaluation.model = head_name(opened.fingerprint);
        evaluation.threshold = chosen_threshold(options, evaluation, source.info().task);
        evaluation.origin = {{"head", trained.head.definition().name},
                             {"head_folder", folder.string()},
                             {"head_fingerprint", opened.fingerprint},
                             {"parameters", trained.head.parameter_count()},
                             {"epoch", trained.origin.epoch},
                             {"dev_epoch", source.info().epoch},
                             {"other_checkpoint", opened.other_checkpoint},
                             {"shuffled_labels", trained.origin.shuffled_labels},
                             {"states", source_of(source.name(), source.info().checkpoint)},
                             {"precision", name_of(source.info().precision)}};
    });
    Collective& collective = make_collective(ranks, compute.gpu());
    evaluation.sources.push_back(folder.string());
    evaluation.models = predict_heads({{&trained.head, opened.first_state}}, source, kHeadBatch,
                                      compute.device, ranks, collective, WhenTold::end);
    evaluation.computed = true;
    return evaluation;
}

}  // namespace bv
