#include "stages/head_training.hpp"

#include <algorithm>
#include <variant>

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "dist/sharding.hpp"
#include "squad/scores.hpp"
#include "stages/head_evaluation.hpp"
#include "stages/head_memory.hpp"
#include "stages/state_feed.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

Json scores_of(const StateSource& source, const Logits& logits) {
    return Json(std::visit([&](const auto& own) { return score(source.features(), own); }, logits));
}

}  // namespace

HeadTraining::HeadTraining(const TrainOptions& options, const Communicator& ranks, const Compute& compute,
                           const StopSignal& stop, Collective& collective, const HeadData& data,
                           std::vector<HeadJob> jobs, std::string label)
    : options_(options),
      ranks_(ranks),
      compute_(compute),
      stop_(stop),
      collective_(collective),
      data_(data),
      label_(std::move(label)),
      rows_of_(data.train().rows_of_features()),
      batch_(jobs.front().origin.batch),
      epochs_(jobs.front().origin.epochs),
      share_(jobs.front().origin.share),
      count_(data.count(share_)),
      steps_per_epoch_(steps_per_epoch(count_, batch_)),
      steps_(jobs.front().steps) {
    const StoreInfo& info = data.train().info();
    for (HeadJob& job : jobs) {
        Trainee& trainee = trainees_.emplace_back();
        trainee.trainer =
            std::make_unique<HeadTrainer>(Head(job.definition, job.states, info.hidden_size, job.origin.seed),
                                          job.origin.learning_rate, compute.device, collective);
        if (data.held_out() != nullptr)
            trainee.history.emplace(info.task, options.eval_metric, options.patience);
        trainee.job = std::move(job);
    }
}

void HeadTraining::run(const std::string& config) {
    ranks_.agree([&] {
        for (Trainee& trainee : trainees_) {
            if (steps_ > 0) restore(trainee);
        }
    });
    ranks_.root_only([&] {
        for (Trainee& trainee : trainees_) {
            trainee.files.emplace(trainee.job.folder);
            trainee.files->begin(trainee.job.recipe, config, trainee.lines);
        }
    });
    if (steps_ > 0) spdlog::info("{}resumed after {} steps", label_, steps_);
    saved_ = std::chrono::steady_clock::now();
    // A state at the end of an epoch was saved before its evaluation.
    std::int64_t epoch = std::max<std::int64_t>(steps_ - 1, 0) / steps_per_epoch_;
    for (; !trainees_.empty(); ++epoch) evaluate(epoch, train_epoch(epoch));
}

/// Local: goes on from the state in the trainee's folder.
void HeadTraining::restore(Trainee& trainee) const {
    const auto state = read_head_state(trainee.job.folder, steps_);
    if (!state) fail("{}: the state has changed", trainee.job.folder.string());
    trainee.trainer->restore(*state);
    const Json totals = Json::parse(state->totals);
    trainee.lines = totals.at("lines");
    for (const Json& line : trainee.lines) {
        if (trainee.history) trainee.history->add(line.at("held_out"));
    }
    for (const Json& loss : totals.at("so_far")) trainee.losses.push_back({loss[0], loss[1]});
    // Each rank goes on with its own sum, bit by bit; another number of ranks with the whole on rank 0.
    const auto losses = totals.at("losses").get<std::vector<double>>();
    if (losses.size() == static_cast<std::size_t>(ranks_.size())) {
        trainee.trainer->set_loss(losses[static_cast<std::size_t>(ranks_.rank())]);
    } else if (ranks_.is_root()) {
        double sum = 0;
        for (const double loss : losses) sum += loss;
        trainee.trainer->set_loss(sum);
    }
}

/// This rank's shares of an epoch's batches from step `first_step` on; those that begin in one window are
/// read together.
std::vector<FeatureBatches> HeadTraining::shares_of_rank(std::int64_t epoch, std::int64_t first_step) const {
    const auto windows = data_.windows(epoch, share_);
    std::vector<std::int64_t> order;
    for (const auto& window : windows) order.insert(order.end(), window.begin(), window.end());
    std::vector<FeatureBatches> groups;
    std::int64_t step = first_step;
    std::int64_t end = 0;
    for (const auto& window : windows) {
        end += static_cast<std::int64_t>(window.size());
        groups.emplace_back();
        for (; step < steps_per_epoch_ && step * batch_ < end; ++step) {
            groups.back().push_back(split_by_tokens(batch_of_step(order, batch_, step), rows_of_,
                                                    ranks_.size())[static_cast<std::size_t>(ranks_.rank())]);
        }
    }
    return groups;
}

std::vector<HeadTraining::Alike> HeadTraining::alike() {
    std::vector<HeadJob> jobs;
    for (const Trainee& trainee : trainees_) jobs.push_back(trainee.job);
    std::vector<Alike> all;
    for (const std::vector<std::size_t>& group : group_alike(jobs)) {
        const HeadJob& first = jobs[group.front()];
        Alike& alike = all.emplace_back(Alike{{}, {}, first.first_state});
        for (const std::size_t k : group) {
            alike.trainees.push_back(&trainees_[k]);
            alike.trainers.push_back(trainees_[k].trainer.get());
        }
    }
    return all;
}

/// Collective: one step of heads alike, which share its time.
void HeadTraining::take_step(const Alike& heads, SharedBatch& share, std::int64_t global_batch) const {
    const StateBatch states = share.of(heads.trainers.front()->head(), heads.first_state);
    const auto began = std::chrono::steady_clock::now();
    HeadTrainer::step_together(heads.trainers, states, global_batch);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    for (Trainee* trainee : heads.trainees)
        trainee->step_seconds += seconds.count() / static_cast<double>(heads.trainees.size());
}

/// Collective: trains to the end of an epoch. Returns what the log says of the speed.
Json HeadTraining::train_epoch(std::int64_t epoch) {
    const std::int64_t first = steps_ - epoch * steps_per_epoch_;
    const std::int64_t before = std::min(first * batch_, count_);
    StateFeed feed(data_.train(), shares_of_rank(epoch, first), compute_.device);
    Progress progress(fmt::format("{}epoch {} of {}", label_, epoch + 1, epochs_), "sequences", count_,
                      !ranks_.is_root(), before);
    const std::vector<Alike> groups = alike();
    for (std::int64_t step = first; step < steps_per_epoch_; ++step) {
        SharedBatch share(feed.next());
        const std::int64_t global = std::min(batch_, count_ - step * batch_);
        for (const Alike& heads : groups) take_step(heads, share, global);
        ++steps_;
        if (10 * (step + 1) / steps_per_epoch_ > 10 * step / steps_per_epoch_) add_losses(step + 1);
        progress.advance(global);
        save_where_due();
    }
    const double seconds = progress.finish();
    const double waiting = ranks_.max(feed.seconds_waited()) / seconds;
    const std::int64_t sequences = count_ - before;
    spdlog::info(
        "{}epoch {}: {} steps (heads: {}) in {}, {:.0f} sequences/s, {:.1f} % of the time waiting for states",
        label_, epoch + 1, steps_per_epoch_ - first, trainees_.size(), duration_text(seconds),
        static_cast<double>(sequences) / seconds, 100 * waiting);
    return {
        {"seconds", seconds}, {"waiting_share", waiting}, {"sequences", sequences}, {"ranks", ranks_.size()}};
}

/// Collective: saves all heads' states after --resume-every minutes and when told to stop; then throws
/// Stopped.
void HeadTraining::save_where_due() {
    const auto now = std::chrono::steady_clock::now();
    const bool due = options_.resume_every > 0 &&
                     now - saved_ > std::chrono::duration<double, std::ratio<60>>(options_.resume_every);
    enum : int { kGoOn, kSave, kStop };
    const int own = stop_.requested() ? kStop : due ? kSave : kGoOn;
    const auto agreed = static_cast<int>(ranks_.max(own));
    if (agreed == kGoOn) return;
    std::vector<std::vector<double>> losses;  // of all ranks
    for (const std::string& text : ranks_.gather(Json(own_losses()).dump()))
        losses.push_back(Json::parse(text).get<std::vector<double>>());
    ranks_.root_only([&] {
        for (std::size_t k = 0; k < trainees_.size(); ++k) {
            Json totals{{"lines", trainees_[k].lines}, {"losses", Json::array()}, {"so_far", Json::array()}};
            for (const LossSoFar& loss : trainees_[k].losses)
                totals["so_far"].push_back({loss.step, loss.sum});
            if (totals["lines"].is_null()) totals["lines"] = Json::array();
            for (const auto& of_rank : losses) totals["losses"].push_back(of_rank[k]);
            ResumeState state = trainees_[k].trainer->state();
            state.totals = totals.dump();
            trainees_[k].files->write_state(state);
        }
        for (const Trainee& trainee : trainees_) trainee.files->keep_state(steps_);
    });
    saved_ = now;
    if (agreed == kStop) {
        throw Stopped(
            fmt::format("told to stop: states of {} heads saved after {} of {} steps; start again "
                        "to go on",
                        trainees_.size(), steps_, epochs_ * steps_per_epoch_));
    }
}

/// Collective: notes all heads' losses after `step` steps of the epoch.
void HeadTraining::add_losses(std::int64_t step) {
    std::vector<double> sums = own_losses();
    ranks_.sum(sums);
    for (std::size_t k = 0; k < trainees_.size(); ++k) trainees_[k].losses.push_back({step, sums[k]});
}

/// The mean loss of each tenth of the epoch.
Json HeadTraining::mean_losses(const Trainee& trainee) const {
    Json means = Json::array();
    LossSoFar before{0, 0};
    for (const LossSoFar& loss : trainee.losses) {
        const std::int64_t sequences = std::min(loss.step * batch_, count_) - before.step * batch_;
        means.push_back((loss.sum - before.sum) / static_cast<double>(sequences));
        before = loss;
    }
    return means;
}

std::vector<double> HeadTraining::own_losses() const {
    std::vector<double> losses;
    for (const Trainee& trainee : trainees_) losses.push_back(trainee.trainer->loss());
    return losses;
}

std::vector<Logits> HeadTraining::predict(const StateSource& source) const {
    std::vector<ReadingHead> heads;
    for (const Trainee& trainee : trainees_)
        heads.push_back({&trainee.trainer->head(), trainee.job.first_state});
    return predict_heads(heads, source, batch_, compute_.device, ranks_, collective_);
}

/// Collective: scores all heads after an epoch, keeps what is best, and lets go of those that are finished.
void HeadTraining::evaluate(std::int64_t epoch, const Json& feeding) {
    const std::vector<Logits> dev = predict(data_.dev());
    std::vector<Logits> held_out;
    if (data_.held_out() != nullptr) held_out = predict(*data_.held_out());
    std::vector<Json> lines;
    ranks_.root_only([&] {
        for (std::size_t k = 0; k < trainees_.size(); ++k) {
            Json& line = lines.emplace_back(
                Json{{"epoch", epoch + 1},
                     {"step", steps_},
                     {"loss", trainees_[k].losses.back().sum / static_cast<double>(count_)},
                     {"loss_of_tenths", mean_losses(trainees_[k])}});
            line.update(feeding);
            // A GPU is not waited for after each step.
            if (compute_.device.is_cpu()) line["step_seconds"] = trainees_[k].step_seconds;
            line.update(scores_of(data_.dev(), dev[k]));
            if (held_out.empty()) continue;
            line["held_out"] = scores_of(*data_.held_out(), held_out[k]);
            line["held_out"]["epoch"] = std::to_string(epoch + 1);
        }
    });
    lines = Json::parse(ranks_.broadcast(Json(lines).dump())).get<std::vector<Json>>();
    std::vector<Trainee> going_on;
    for (std::size_t k = 0; k < trainees_.size(); ++k) {
        Trainee& trainee = trainees_[k];
        trainee.trainer->set_loss(0);
        trainee.losses.clear();
        trainee.step_seconds = 0;
        const bool best = add_line(trainee, lines[k]);
        const bool finished = epoch + 1 == epochs_ || (trainee.history && trainee.history->out_of_patience());
        ranks_.root_only([&] {
            trainee.files->log(lines[k]);
            HeadOrigin origin = trainee.job.origin;
            origin.epochs = epoch + 1;
            if (best) trainee.files->write_head(trainee.trainer->head(), origin, dev[k]);
            if (finished) finish(trainee);
        });
        if (!finished) going_on.push_back(std::move(trainee));
    }
    trainees_ = std::move(going_on);
}

/// Takes an epoch's line. Returns whether the epoch is the one to keep, so far.
bool HeadTraining::add_line(Trainee& trainee, const Json& line) const {
    trainee.lines.push_back(line);
    const auto epoch = line.at("epoch").get<std::int64_t>();
    const std::string scores = summary(nlohmann::ordered_json(line));
    spdlog::info("{}, epoch {}: loss {:.4f}, {}", trainee.job.name(), epoch, line.at("loss").get<double>(),
                 scores);
    if (!trainee.history) return epoch == epochs_;
    trainee.history->add(line.at("held_out"));
    return trainee.history->best().at("epoch") == std::to_string(epoch);
}

/// Local: writes what the head came to, by its best epoch on the held-out questions, else by its last.
void HeadTraining::finish(const Trainee& trainee) const {
    const Json best = trainee.history ? trainee.history->best() : Json();
    const Json& line = best.is_null() ? trainee.lines.back()
                                      : trainee.lines.at(std::stoul(best.at("epoch").get<std::string>()) - 1);
    const Head& head = trainee.trainer->head();
    nlohmann::ordered_json metrics{
        {"head", head.definition().name},        {"task", head.definition().task},
        {"parameters", head.parameter_count()},  {"epoch", trainee.job.origin.epoch},
        {"dev_epoch", data_.dev().info().epoch}, {"other_checkpoint", trainee.job.origin.other_checkpoint},
        {"head_epochs", line.at("epoch")},       {"loss", line.at("loss")}};
    for (const char* scores : {"official", "reference", "classification", "held_out"}) {
        if (line.contains(scores)) metrics[scores] = line[scores];
    }
    trainee.files->finish(metrics);
    if (!best.is_null()) spdlog::info("{}: best: {}", trainee.job.name(), trainee.history->best_text());
}

}  // namespace bv
