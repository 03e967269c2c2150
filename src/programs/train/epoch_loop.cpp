#include "programs/train/epoch_loop.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>

#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// The number of the best epoch so far; 0 when none is known.
std::int64_t best_epoch(const Trainee& trainee) {
    return trainee.history ? trainee.history->best_place() : 0;
}

}  // namespace

HeadTraining::HeadTraining(const TrainOptions& options, const Communicator& ranks, const Compute& compute,
                           Collective& collective, const HeadData& data, AlikeJobs jobs, std::string label)
    : options_(options),
      ranks_(ranks),
      compute_(compute),
      collective_(collective),
      data_(data),
      label_(std::move(label)),
      rows_of_(data.train().rows_of_features()),
      batch_(jobs.front().front().origin.batch),
      epochs_(jobs.front().front().origin.epochs),
      share_(jobs.front().front().origin.share),
      count_(data.count(share_)),
      steps_per_epoch_(steps_per_epoch(count_, batch_)),
      steps_(jobs.front().front().steps) {
    const StoreInfo& info = data.train().info();
    for (std::vector<HeadJob>& alike : jobs) {
        std::vector<Trainee> trainees;
        for (HeadJob& job : alike) {
            Trainee& trainee = trainees.emplace_back(Trainee{std::move(job)});
            if (data.held_out() != nullptr)
                trainee.history.emplace(info.task, options.eval_metric, options.patience);
        }
        groups_.emplace_back(std::move(trainees), info.hidden_size, compute.device, collective);
    }
}

/// Local: all heads, group after group.
std::vector<Trainee*> HeadTraining::trainees() {
    std::vector<Trainee*> all;
    for (HeadGroup& group : groups_) {
        for (Trainee& trainee : group.trainees()) all.push_back(&trainee);
    }
    return all;
}

void HeadTraining::run(const std::string& config) {
    for (HeadGroup& group : groups_) {
        if (steps_ > 0) group.restore(steps_, ranks_);
    }
    ranks_.root_only([&] {
        for (Trainee* trainee : trainees()) {
            trainee->files.emplace(trainee->job.folder);
            trainee->files->begin(trainee->job.recipe, config, steps_, trainee->lines, best_epoch(*trainee));
        }
    });
    if (steps_ > 0) spdlog::info("{}resumed after {} steps", label_, steps_);
    saved_ = std::chrono::steady_clock::now();
    finish_ended();
    if (groups_.empty()) return;
    // A state at the end of an epoch was saved before the evaluation of that epoch, which is done now, or
    // after it, when it has the epoch's line.
    auto epoch = static_cast<std::int64_t>(trainees().front()->lines.size());
    for (; !groups_.empty(); ++epoch) evaluate(epoch, train_epoch(epoch));
}

/// This rank's shares of the batches of an epoch, from step `first_step` on. The batches that begin in one
/// window are a group, which is read together.
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

/// Collective: trains to the end of an epoch. Returns the figures about speed for the log.
Json HeadTraining::train_epoch(std::int64_t epoch) {
    const std::int64_t first = steps_ - epoch * steps_per_epoch_;
    const std::int64_t before = std::min(first * batch_, count_);
    // The feed reads the beginning of the next epoch during the end of this one.
    if (!feed_) feed_.emplace(data_.train(), shares_of_rank(epoch, first), compute_.device);
    if (epoch + 1 < epochs_) feed_->append(shares_of_rank(epoch + 1, 0));
    const double waited_before = feed_->seconds_waited();
    Progress progress(fmt::format("{}epoch {} of {}", label_, epoch + 1, epochs_), "sequences", count_,
                      !ranks_.is_root(), before);
    for (std::int64_t step = first; step < steps_per_epoch_ && !groups_.empty(); ++step) {
        SharedBatch share(feed_->next());
        const std::int64_t global = std::min(batch_, count_ - step * batch_);
        for (HeadGroup& group : groups_) group.step(share, global);
        ++steps_;
        if (10 * (step + 1) / steps_per_epoch_ > 10 * step / steps_per_epoch_) add_losses(step + 1);
        progress.advance(global);
        save_where_due();
    }
    const double seconds = progress.finish();
    const double waiting = ranks_.max(feed_->seconds_waited() - waited_before) / seconds;
    const std::int64_t done = steps_ - epoch * steps_per_epoch_;
    const std::int64_t sequences = std::min(done * batch_, count_) - before;
    spdlog::info(
        "{}epoch {}: {} steps (heads: {}) in {}, {:.0f} sequences/s, {:.1f} % of the time waiting for states",
        label_, epoch + 1, done - first, trainees().size(), duration_text(seconds),
        static_cast<double>(sequences) / seconds, 100 * waiting);
    return {
        {"seconds", seconds}, {"waiting_share", waiting}, {"sequences", sequences}, {"ranks", ranks_.size()}};
}

/// Collective: saves the states of all heads every --resume-every minutes, and when told to stop; then it
/// throws Stopped. Rank 0 copies the states and writes the copies while training goes on. If writing fails, a
/// later call throws AgreedError.
void HeadTraining::save_where_due() {
    if (groups_.empty()) return;  // all heads have diverged
    const bool due =
        options_.resume_every > 0 && std::chrono::steady_clock::now() - saved_ >
                                         std::chrono::duration<double, std::ratio<60>>(options_.resume_every);
    enum : int { kGoOn, kLook, kSave, kStop };
    const int own = stop_requested() ? kStop : due ? kSave : saving_.has_ended() ? kLook : kGoOn;
    const auto agreed = static_cast<int>(ranks_.max(own));
    if (agreed == kGoOn) return;
    if (agreed == kLook) return ranks_.root_only([&] { saving_.wait(); });
    // Heads that have diverged since the last tenth of the epoch get a state too. If they were removed here,
    // the step from which the others are trained without them would depend on the clock, and with it their
    // bits.
    save_states(agreed == kStop);
    if (agreed == kStop) {
        throw Stopped(
            fmt::format("told to stop: states of {} heads saved after {} of {} steps; start the same command "
                        "again to go on",
                        trainees().size(), steps_, epochs_ * steps_per_epoch_));
    }
}

/// Collective: copies the states of all heads and starts to write the copies. With `wait` it waits until they
/// are written.
void HeadTraining::save_states(bool wait) {
    std::vector<std::vector<double>> losses;  // of all heads, for each rank
    for (const std::string& text : ranks_.gather(Json(own_losses()).dump()))
        losses.push_back(losses_in(Json::parse(text)));
    ranks_.root_only([&] {
        saving_.wait();  // so that there are never two copies in memory
        for (Trainee* trainee : trainees()) trainee->files->begin_state(best_epoch(*trainee));
        saving_.run([output = options_.output, copies = states_of(groups_, losses)] {
            write_head_states(output, copies);
        });
        if (wait) saving_.wait();
    });
    saved_ = std::chrono::steady_clock::now();
}

/// Collective: records the losses of all heads after `step` steps of the epoch, and ends the training of
/// heads whose loss is not finite.
void HeadTraining::add_losses(std::int64_t step) {
    std::vector<double> sums = own_losses();
    ranks_.sum(sums);
    std::size_t place = 0;
    for (Trainee* trainee : trainees()) {
        const double sum = sums[place++];
        if (std::isfinite(sum)) {
            trainee->losses.push_back({step, sum});
        } else {
            trainee->diverged = now();
        }
    }
    finish_ended();
}

/// The epoch and the step that have been trained last.
Json HeadTraining::now() const {
    return {{"epoch", (steps_ - 1) / steps_per_epoch_ + 1}, {"step", steps_}};
}

/// Whether the training of a head has ended: it has diverged, or all its epochs or its patience are over.
bool HeadTraining::has_ended(const Trainee& trainee) const {
    return !trainee.diverged.is_null() || static_cast<std::int64_t>(trainee.lines.size()) == epochs_ ||
           (trainee.history && trainee.history->out_of_patience());
}

/// Collective: finishes the heads whose training has ended, and goes on with the others. Before that it saves
/// the states of all heads, which tell that these have ended: a run that is killed when some of them are
/// finished goes on from here, and finishes the rest. From an earlier state the other heads would be trained
/// and scored without the finished ones, with other rounding.
void HeadTraining::finish_ended() {
    std::vector<bool> going_on;
    for (const Trainee* trainee : trainees()) going_on.push_back(!has_ended(*trainee));
    if (std::ranges::all_of(going_on, std::identity())) return;
    if (going_on.size() > 1) save_states(true);
    ranks_.root_only([&] {
        for (const HeadGroup& group : groups_) {
            for (const Trainee& trainee : group.trainees()) {
                if (has_ended(trainee)) finish(trainee, group.head());
            }
        }
    });
    keep(going_on);
}

/// Local: keeps the heads that are `going_on` and removes the others. `going_on` has one entry for each head,
/// group after group.
void HeadTraining::keep(const std::vector<bool>& going_on) {
    std::size_t place = 0;
    for (HeadGroup& group : groups_) {
        std::vector<std::size_t> some;
        for (std::size_t k = 0; k < group.trainees().size(); ++k) {
            if (going_on[place++]) some.push_back(k);
        }
        if (some.empty()) {
            group.trainees().clear();
        } else if (some.size() < group.trainees().size()) {
            group.keep(some);
        }
    }
    std::erase_if(groups_, [](const HeadGroup& group) { return group.trainees().empty(); });
}

/// The losses of all heads on this rank, group after group.
std::vector<double> HeadTraining::own_losses() const {
    std::vector<double> all;
    for (const HeadGroup& group : groups_) {
        const std::vector<double> losses = group.losses();
        all.insert(all.end(), losses.begin(), losses.end());
    }
    return all;
}

}  // namespace bv
