#include "programs/train/group.hpp"

#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "core/stopwatch.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

}  // namespace

HeadGroup::HeadGroup(std::vector<Trainee> trainees, std::int64_t hidden_size, at::Device device,
                     Collective& collective)
    : trainees_(std::move(trainees)), hidden_size_(hidden_size), device_(device), collective_(&collective) {
    make_trainer();
}

void HeadGroup::make_trainer() {
    std::vector<std::uint64_t> seeds;
    std::vector<double> learning_rates;
    for (const Trainee& trainee : trainees_) {
        seeds.push_back(trainee.job.origin.seed);
        learning_rates.push_back(trainee.job.origin.learning_rate);
    }
    const HeadJob& job = trainees_.front().job;
    trainer_ = std::make_unique<HeadTrainer>(Head(job.definition, job.states, hidden_size_, seeds),
                                             learning_rates, device_, *collective_);
}

void HeadGroup::step(SharedBatch& share, std::int64_t global_batch) {
    const StateBatch states = share.of(head(), first_state());
    const Stopwatch clock;
    trainer_->step(states, global_batch);
    const double seconds = clock.seconds();
    for (Trainee& trainee : trainees_)
        trainee.step_seconds += seconds / static_cast<double>(trainees_.size());
}

void HeadGroup::clear_losses() {
    for (std::size_t k = 0; k < trainees_.size(); ++k) {
        trainer_->set_loss(static_cast<std::int64_t>(k), 0);
        trainees_[k].losses.clear();
        trainees_[k].step_seconds = 0;
    }
}

std::vector<double> losses_in(const Json& list) {
    std::vector<double> losses;
    for (const Json& loss : list)
        losses.push_back(loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>());
    return losses;
}

HeadState HeadGroup::state(std::size_t k, const std::vector<double>& losses_of_ranks) const {
    const Trainee& trainee = trainees_[k];
    const Json lines = trainee.lines.is_null() ? Json::array() : trainee.lines;
    Json totals{{"lines", lines},
                {"losses", losses_of_ranks},
                {"so_far", Json::array()},
                {"group", trainees_.front().job.folder.filename().string()}};
    if (!trainee.diverged.is_null()) totals["diverged"] = trainee.diverged;
    for (const LossSoFar& loss : trainee.losses) totals["so_far"].push_back({loss.step, loss.sum});
    ResumeState state = trainer_->state(static_cast<std::int64_t>(k));
    state.totals = totals.dump();
    return {trainee.job.folder, std::move(state)};
}

void HeadGroup::restore(std::int64_t steps, const Communicator& ranks) {
    for (std::size_t i = 0; i < trainees_.size(); ++i) {
        Trainee& trainee = trainees_[i];
        const auto k = static_cast<std::int64_t>(i);
        std::string text;
        ranks.root_only([&] {
            const ResumeState state = read_head_state(trainee.job.folder, steps);
            trainer_->restore(k, state);
            text = state.totals;
        });
        const Json totals = Json::parse(ranks.broadcast(text));
        trainee.lines = totals.at("lines");
        for (const Json& line : trainee.lines) {
            if (trainee.history) trainee.history->add(line.at("held_out"));
        }
        trainee.diverged = totals.value("diverged", Json());
        for (const Json& loss : totals.at("so_far")) trainee.losses.push_back({loss[0], loss[1]});
        // The same number of ranks goes on with each rank's own sum, so that the bits stay the same. Another
        // number of ranks goes on with the whole sum on rank 0.
        const std::vector<double> losses = losses_in(totals.at("losses"));
        if (losses.size() == static_cast<std::size_t>(ranks.size())) {
            trainer_->set_loss(k, losses[static_cast<std::size_t>(ranks.rank())]);
        } else if (ranks.is_root()) {
            trainer_->set_loss(k, std::accumulate(losses.begin(), losses.end(), 0.0));
        }
    }
    trainer_->share_state(ranks);
}

void HeadGroup::keep(const std::vector<std::size_t>& some) {
    const std::vector<double> losses = trainer_->losses();
    std::vector<ResumeState> states;
    std::vector<Trainee> kept;
    for (const std::size_t k : some) {
        states.push_back(trainer_->state(static_cast<std::int64_t>(k)));
        kept.push_back(std::move(trainees_[k]));
    }
    trainees_ = std::move(kept);
    trainer_.reset();  // frees its memory before the new heads take it
    make_trainer();
    for (std::size_t i = 0; i < states.size(); ++i) {
        trainer_->restore(static_cast<std::int64_t>(i), states[i]);
        trainer_->set_loss(static_cast<std::int64_t>(i), losses[some[i]]);
    }
}

std::vector<HeadState> states_of(const std::vector<HeadGroup>& groups,
                                 const std::vector<std::vector<double>>& losses_of_ranks) {
    std::vector<HeadState> all;
    for (const HeadGroup& group : groups) {
        for (std::size_t k = 0; k < group.trainees().size(); ++k) {
            std::vector<double> own;
            for (const auto& of_rank : losses_of_ranks) own.push_back(of_rank[all.size()]);
            all.push_back(group.state(k, own));
        }
    }
    return all;
}

}  // namespace bv
