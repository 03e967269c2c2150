#include "programs/finetune/trainer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "comm/sharding.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "programs/finetune/non_finite.hpp"
#include "programs/shared/provenance.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// Moves `model` to the rank's device, sets how it computes there, and returns it.
Model& prepared(Model& model, const Compute& compute, const FinetuneOptions& options) {
    model.to(compute.device, compute.precision);
    model.recompute_layers(options.gradient_checkpointing);
    return model;
}

}  // namespace

FlatParameters flatten(const Model& model) {
    std::vector<at::Tensor> tensors;
    std::vector<bool> decays;
    for (const Parameter& parameter : model.trainable()) {
        tensors.push_back(parameter.tensor);
        decays.push_back(parameter.decays());
    }
    // 16 MiB: large enough for few sums, small enough that the first one starts early.
    constexpr std::int64_t kBucket = std::int64_t{1} << 22;
    return {tensors, decays, kBucket};
}

FineTuning::FineTuning(Setting setting, Model& model, int sharing)
    : options_(setting.options),
      config_(std::move(setting.config)),
      ranks_(setting.ranks),
      compute_(setting.compute),
      features_(setting.features),
      origin_(std::move(setting.origin)),
      model_(prepared(model, compute_, options_)),
      plan_(std::move(setting.plan)),
      steps_per_epoch_(steps_per_epoch(features_.count(), options_.batch)),
      total_steps_(plan_.back().step(steps_per_epoch_)),
      flat_(flatten(model)),
      collective_(setting.collective),
      sync_(flat_, collective_),
      feed_(features_, {options_.seed, options_.batch, options_.pass_tokens, ranks_.rank(), sharing}),
      optimizer_(flat_, {options_.optimizer, 0.9, 0.999, options_.epsilon, options_.epsilon_kind,
                         options_.weight_decay}),
      schedule_(options_.schedule, options_.learning_rate, warm_up_steps(options_.warm_up, total_steps_),
                total_steps_) {}

void FineTuning::run(std::optional<ResumeState> state, std::optional<TuningFiles>& files,
                     std::optional<TuningEvaluation>& evaluation) {
    files_ = &files;
    if (evaluation) evaluation_ = &*evaluation;
    begin(std::move(state));
    Progress progress("fine-tuning", "steps", total_steps_, !ranks_.is_root(), steps_);
    state_saved_ = std::chrono::steady_clock::now();
    if (ranks_.is_root() && !options_.trace.empty())
        trace_.emplace(options_.trace, compute_.device, options_.force, total_steps_ - steps_);
    while (!is_finished()) {
        if (trace_) trace_->begin_step();
        const Outcome outcome = train(steps_++);
        if (trace_) trace_->end_step();
        const double seconds = totals_.seconds_with(progress.seconds());
        progress.advance(1, fmt::format("loss {:.4f}, {}", outcome.loss, totals_.speed_text(seconds)));
        progress.leave_out(reach_checkpoints(seconds));
        save_where_due(outcome.stop, seconds);
    }
    save([](TuningFiles& mine) { mine.wait(); });
    finish(totals_.seconds_with(progress.finish()));
}

/// Collective: restores `state` if it is given, and gives all ranks the weights of rank 0.
void FineTuning::begin(std::optional<ResumeState> state) {
    if (state) restore(*state);
    const bool resumed = state.has_value();
    state.reset();  // training needs the memory
    collective_.broadcast(flat_.values().data_ptr<float>(), flat_.elements(), 0);
    spdlog::info(
        "{} parameters, {} of them trained; {} features; {} steps per epoch, {} steps in total; {} sums the "
        "gradients",
        model_.parameter_count(), trained_count(), features_.count(), steps_per_epoch_, total_steps_,
        collective_.name());
    if (resumed) spdlog::info("resumed after {} steps", steps_);
    on_root([&](TuningFiles& mine) { mine.begin(steps_); });
    if (steps_ == 0) reach_checkpoints(0);
}

/// Collective: saves a state every --resume-every minutes, when `told_to_stop`, and when --patience ends
/// training. If `told_to_stop` before training is finished, then throws Stopped.
void FineTuning::save_where_due(bool told_to_stop, double seconds) {
    const auto now = std::chrono::steady_clock::now();
    const bool due =
        options_.resume_every > 0 &&
        now - state_saved_ > std::chrono::duration<double, std::ratio<60>>(options_.resume_every);
    const bool stops = told_to_stop && !is_finished();
    save([&](TuningFiles& mine) {
        mine.check();
        if (due || stops || stopped_early()) mine.write_state([&] { return current_state(seconds); });
        if (told_to_stop) mine.wait();
    });
    if (due) state_saved_ = now;
    if (stops) {
        throw Stopped(fmt::format(
            "told to stop: state saved after {} of {} steps; start the same command again to go on", steps_,
            total_steps_));
    }
}

/// Collective: after `seconds` of training, logs how it ended, appends the summary to rank 0's metrics, and
/// removes the states that are no longer needed.
void FineTuning::finish(double seconds) {
    spdlog::info("time of rank 0: {}", clock_.shares());
    if (stopped_early())
        spdlog::info("stopped early: {} checkpoints in a row were no better than the best",
                     options_.patience);
    if (evaluation_ != nullptr) spdlog::info("best: {}", evaluation_->history().best_text());
    on_root([&](TuningFiles& mine) {
        Json summary = totals(seconds);
        summary.update({{"done", true},
                        {"ranks", ranks_.size()},
                        {"compute", compute_.text()},
                        {"precision", compute_.precision_name()}});
        if (evaluation_ != nullptr)
            summary.update({{"best", evaluation_->history().best()}, {"stopped_early", stopped_early()}});
        mine.finish(summary, stopped_early());
    });
}

std::vector<double> FineTuning::losses(std::int64_t steps) {
    collective_.broadcast(flat_.values().data_ptr<float>(), flat_.elements(), 0);
    steps = std::min(steps, total_steps_);
    std::vector<double> found;
    Progress progress("self-test", "steps", steps, !ranks_.is_root());
    for (std::int64_t step = 0; step < steps; ++step) {
        found.push_back(train(step).loss);
        progress.advance(1);
    }
    progress.finish();
    return found;
}

/// Collective: runs `work` on rank 0. If it throws Error there, all ranks throw AgreedError.
void FineTuning::on_root(const std::function<void(TuningFiles&)>& work) const {
    ranks_.root_only([&] { work(**files_); });
}

/// Collective: does the same, and counts the time that every rank spends in it as saving.
void FineTuning::save(const std::function<void(TuningFiles&)>& work) {
    clock_.begin(PhaseClock::saving);
    on_root(work);
    clock_.end(PhaseClock::saving);
    clock_.add();
}

std::int64_t FineTuning::trained_count() const {
    std::int64_t count = 0;
    for (const Parameter& parameter : model_.trainable()) count += parameter.tensor.numel();
    return count;
}

/// Whether all steps are done, or --patience ends training here.
bool FineTuning::is_finished() const {
    return steps_ >= total_steps_ || (evaluation_ != nullptr && evaluation_->history().out_of_patience());
}

Json FineTuning::totals(double seconds) const {
    Json all = totals_.json(seconds, ranks_.size());
    all.update({{"updates", optimizer_.steps()}, {"phases", clock_.all()}});
    return all;
}

ResumeState FineTuning::current_state(double seconds) const {
    Json sums = totals(seconds);
    sums["evaluations"] = evaluation_ == nullptr ? evaluations_ : evaluation_->history().all();
    return {steps_,
            sums.dump(),
            copy_to_host(flat_.values()),
            copy_to_host(optimizer_.first_moments()),
            copy_to_host(optimizer_.second_moments()),
            {}};
}

/// Collective. `run` gives all ranks the values of rank 0.
void FineTuning::restore(const ResumeState& state) {
    const c10::NoGradGuard no_graph;
    if (ranks_.is_root()) {
        BV_EXPECT(state.values.numel() == flat_.elements());
        flat_.values().copy_(state.values);
        optimizer_.restore(0, state.first_moments, state.second_moments);
    }
    for (const at::Tensor* moments : {&optimizer_.first_moments(), &optimizer_.second_moments()})
        collective_.broadcast(moments->data_ptr<float>(), moments->numel(), 0);
    steps_ = state.step;
    const Json earlier = Json::parse(state.totals);
    optimizer_.set_steps(earlier.at("updates").get<std::int64_t>());
    totals_ = RunTotals(earlier);
    clock_.restore(earlier.at("phases"));
    evaluations_ = earlier.value("evaluations", Json::array());
    if (evaluation_ != nullptr) evaluation_->restore(state);
}

/// The factor that turns the summed cross-entropies of a sequence into its part of the loss of the batch.
double FineTuning::loss_scale(std::int64_t global_batch) const {
    const double heads = options_.task == Task::span && options_.loss == SpanLoss::mean ? 2.0 : 1.0;
    return 1.0 / (heads * static_cast<double>(global_batch));
}

/// Counts the time since the last call for `phase`. Waits for a GPU first, so that no phase counts the time
/// of another one. The next use of the GPU would wait soon anyway.
void FineTuning::end_phase(PhaseClock::Phase phase) {
    if (compute_.device.is_cuda()) value_of(flat_.gradients().select(0, 0));
    clock_.end(phase);
}

/// Collective: computes the gradients of this rank's share of the batch and sums them over all ranks. Returns
/// the loss of this rank's share.
double FineTuning::add_gradients(const StepBatch& batch, std::int64_t step) {
    flat_.zero_gradients();
    const DropoutKey key{options_.seed, step};
    double loss = 0;
    for (std::size_t i = 0; i < batch.passes.size(); ++i) {
        const Batch pass = batch.passes[i].to(compute_.device);
        clock_.end(PhaseClock::data);
        const at::Tensor scaled =
            model_.loss(pass, model_.logits(pass, options_.no_dropout ? nullptr : &key)) *
            loss_scale(batch.sequences);
        loss += value_of(scaled);
        clock_.end(PhaseClock::forward);
        if (i + 1 == batch.passes.size()) sync_.begin_last_pass();
        scaled.backward();
        end_phase(PhaseClock::backward);
    }
    sync_.finish();
    return loss;
}

/// Collective: does one step: the gradients of this rank's share, their sum over all ranks, one update.
FineTuning::Outcome FineTuning::train(std::int64_t step) {
    clock_.begin();
    const StepBatch batch = feed_.take(step);
    const double own_loss = add_gradients(batch, step);
    // One small sum carries the loss and whether to stop, so that all ranks stop after the same step.
    std::array<double, 2> agreed{own_loss, stop_requested() ? 1.0 : 0.0};
    ranks_.sum(agreed);
    const double loss = agreed[0];
    end_phase(PhaseClock::all_reduce);
    const double norm = options_.clip > 0 ? clip_gradients(flat_, options_.clip) : gradient_norm(flat_);
    const double rate = schedule_.rate(step);
    if (std::isfinite(loss) && std::isfinite(norm)) {
        optimizer_.step({rate});
    } else {
        const std::string message = non_finite_message(step, own_loss, batch.share, features_, ranks_);
        if (options_.non_finite == NonFinite::stop)
            throw AgreedError(message +
                              "; with --non-finite skip training goes on without the updates of such steps");
        if (ranks_.is_root()) spdlog::warn("{}; skipped", message);
    }
    end_phase(PhaseClock::optimizer);
    clock_.add();
    totals_.add(batch);
    if (files_ != nullptr && *files_) {
        (*files_)->log({{"step", step + 1},
                        {"epoch", static_cast<double>(step + 1) / static_cast<double>(steps_per_epoch_)},
                        {"loss", loss},
                        {"learning_rate", rate},
                        {"gradient_norm", norm},
                        {"sequences", batch.sequences},
                        {"tokens", batch.tokens},
                        {"imbalance", batch.imbalance},
                        {"phases", clock_.step()}});
    }
    return {loss, agreed[1] > 0};
}

/// Local: throws AgreedError, on all ranks, if a weight is not finite: the last update may have done this,
/// although the loss and the gradients before it were finite.
void FineTuning::require_finite_weights() const {
    const at::Tensor& weights = flat_.values();
    if (std::isfinite(value_of(weights.sum())) || value_of(weights.isfinite().all().to(at::kFloat)) > 0)
        return;
    throw AgreedError(fmt::format(
        "the weights are not finite after step {}, so no checkpoint is written; lower --learning-rate",
        steps_));
}

/// Collective: starts to write the checkpoints that are due now, after `seconds` of training, and evaluates
/// the model if there are any: once, because all of them have these weights. Returns the seconds that the
/// evaluation took.
double FineTuning::reach_checkpoints(double seconds) {
    std::vector<EpochFraction> due;
    for (const EpochFraction& epoch : plan_) {
        if (epoch.step(steps_per_epoch_) != steps_) continue;
        if (due.empty()) require_finite_weights();
        due.push_back(epoch);
        save([&](TuningFiles& mine) {
            mine.write_checkpoint({.epoch = epoch,
                                   .step = steps_,
                                   .steps_per_epoch = steps_per_epoch_,
                                   .seed = options_.seed,
                                   .task = options_.task,
                                   .data_fingerprint = origin_.features,
                                   .model_fingerprint = "",
                                   .started_from = origin_.model,
                                   .config = config_,
                                   .precision = compute_.precision_name(),
                                   .made = made_by("bv_finetune")},
                                  model_);
        });
    }
    if (due.empty() || evaluation_ == nullptr) return 0;
    clock_.begin(PhaseClock::evaluation);
    evaluation_->evaluate(model_, due.back(), steps_, totals_.rank_hours(seconds, ranks_.size()), ranks_,
                          collective_);
    on_root([&](TuningFiles& mine) {
        Json evaluation = evaluation_->history().all().back();
        for (const EpochFraction& epoch : due) {
            evaluation["epoch"] = epoch.text();
            mine.log({{"evaluation", evaluation}});
        }
    });
    const double spent = clock_.end(PhaseClock::evaluation);
    clock_.add();
    return spent;
}

}  // namespace bv
