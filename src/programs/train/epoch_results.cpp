// The end of an epoch in HeadTraining: it scores the heads, writes the best ones, and ends those that are
// finished.

#include <variant>

#include <ATen/ATen.h>

#include "core/log.hpp"
#include "programs/shared/described_features.hpp"
#include "programs/shared/head_logits.hpp"
#include "programs/shared/provenance.hpp"
#include "programs/train/epoch_loop.hpp"
#include "programs/train/metrics.hpp"
#include "squad/scoring/question_records.hpp"
#include "squad/scoring/scores.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

Json scores_of(const StateSource& source, const Logits& logits) {
    return Json(std::visit([&](const auto& own) { return score(source.features(), own); }, logits));
}

/// The scores on the dev questions; sets `records` to what they are sums over.
Json scores_and_records(const StateSource& dev, const Logits& logits, QuestionRecords& records) {
    const auto keep = [&](const auto& scores) {
        records = records_of(dev.features(), scores);
        return Json(objects_of(scores));
    };
    if (const auto* span = std::get_if<SpanLogits>(&logits)) return keep(score_span(dev.features(), *span));
    return keep(score_classes(dev.features(), std::get<ClassLogits>(logits)));
}

}  // namespace

/// The mean loss in each tenth of the epoch.
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

std::vector<Logits> HeadTraining::predict(const StateSource& source) const {
    std::vector<ReadingHead> heads;
    // The training store may hold other layers, so a layer may have another place there.
    for (const HeadGroup& group : groups_) {
        const HeadOrigin& origin = group.trainees().front().job.origin;
        heads.push_back({&group.head(), first_state(group.head(), origin, source.info())});
    }
    // A rank takes as many sequences at a time as in a training step.
    const std::int64_t share = (batch_ + ranks_.size() - 1) / ranks_.size();
    return predict_heads(heads, source, share, compute_.device, ranks_, collective_);
}

/// Collective: finds the heads whose weights or logits are not finite. The losses do not show this, because
/// the last update of an epoch comes after its last loss.
void HeadTraining::find_diverged(const std::vector<Logits>& dev, const std::vector<Logits>& held_out) {
    std::vector<double> faults;  // for each head, the number of ranks that found one
    for (const HeadGroup& group : groups_) {
        for (const bool finite : group.finite()) faults.push_back(finite ? 0 : 1);
    }
    for (std::size_t i = 0; i < faults.size(); ++i) {
        if (question_not_finite(data_.dev().features(), dev[i]) ||
            (!held_out.empty() && question_not_finite(data_.held_out()->features(), held_out[i])))
            faults[i] = 1;
    }
    ranks_.sum(faults);
    std::size_t place = 0;
    for (Trainee* trainee : trainees()) {
        if (faults[place++] > 0) trainee->diverged = now();
    }
}

/// Collective: scores all heads after an epoch, writes each head whose epoch is the best so far, and removes
/// those that are finished. `feeding` is the result of train_epoch. A run that is killed before finish_ended
/// has saved the states of all heads does all of this again, with the same heads.
void HeadTraining::evaluate(std::int64_t epoch, const Json& feeding) {
    if (groups_.empty()) return;
    const std::vector<Logits> dev = predict(data_.dev());
    std::vector<Logits> held_out;
    if (data_.held_out() != nullptr) held_out = predict(*data_.held_out());
    find_diverged(dev, held_out);
    std::vector<Json> lines;                           // null for a head that has diverged
    std::vector<QuestionRecords> records(dev.size());  // on rank 0
    ranks_.root_only([&] {
        for (const Trainee* trainee : trainees()) {
            const std::size_t place = lines.size();
            Json& line = lines.emplace_back();
            if (!trainee->diverged.is_null()) continue;
            line = {{"epoch", epoch + 1},
                    {"step", steps_},
                    {"loss", trainee->losses.back().sum / static_cast<double>(count_)},
                    {"loss_of_tenths", mean_losses(*trainee)}};
            line.update(feeding);
            // On a GPU the time of a step is unknown, because nothing waits for its end.
            if (compute_.device.is_cpu()) line["step_seconds"] = trainee->step_seconds;
            line.update(scores_and_records(data_.dev(), dev[place], records[place]));
            if (held_out.empty()) continue;
            line["held_out"] = scores_of(*data_.held_out(), held_out[place]);
            line["held_out"]["epoch"] = epoch + 1;
        }
    });
    lines = Json::parse(ranks_.broadcast(Json(lines).dump())).get<std::vector<Json>>();
    std::size_t place = 0;  // among all heads
    for (HeadGroup& group : groups_) {
        group.clear_losses();
        for (std::size_t k = 0; k < group.trainees().size(); ++k, ++place) {
            Trainee& trainee = group.trainees()[k];
            if (!trainee.diverged.is_null()) continue;
            const bool best = add_line(trainee, lines[place]);
            ranks_.root_only([&] {
                trainee.files->log(lines[place]);
                HeadOrigin origin = trainee.job.origin;
                origin.epochs = epoch + 1;
                if (best)
                    trainee.files->write_head(group.head(), static_cast<std::int64_t>(k), origin, dev[place],
                                              records[place]);
            });
        }
    }
    finish_ended();
}

/// Adds the line of an epoch. Returns whether the head of this epoch is to be written: without held-out
/// questions if it is the last epoch, else if it is the best so far.
bool HeadTraining::add_line(Trainee& trainee, const Json& line) const {
    trainee.lines.push_back(line);
    const auto epoch = line.at("epoch").get<std::int64_t>();
    const std::string scores = summary(nlohmann::ordered_json(line));
    spdlog::info("{}, epoch {}: loss {:.4f}, {}", trainee.job.name(), epoch, line.at("loss").get<double>(),
                 scores);
    if (!trainee.history) return epoch == epochs_;
    trainee.history->add(line.at("held_out"));
    return trainee.history->best_place() == epoch;
}

/// Local: the members of metrics.json that name the data of all heads: those that they were trained on, and
/// the dev states and features that they were scored on.
nlohmann::ordered_json HeadTraining::sources() const {
    const StoreInfo& train = data_.train().info();
    const StoreInfo& dev = data_.dev().info();
    const bool stores = !options_.store.empty();
    // A store records its checkpoint and its features.
    const std::filesystem::path checkpoint = stores ? train.checkpoint_path : options_.checkpoint.string();
    const std::filesystem::path features = stores ? train.features_path : options_.features.string();
    nlohmann::ordered_json members{{"dev_epoch", dev.epoch}};
    if (stores) {
        members["store"] = source_of(options_.store, train.checkpoint);
        members["dev_store"] = source_of(options_.dev_store, dev.checkpoint);
        if (!options_.held_out_store.empty())
            members["held_out_store"] = source_of(options_.held_out_store, train.checkpoint);
    }
    members["checkpoint"] = source_of(checkpoint, train.checkpoint);
    members["train_features"] = source_of(features, train.features);
    if (options_.holds_out_elsewhere()) {
        const StoreInfo& held_out = data_.held_out()->info();
        members["held_out_features"] =
            source_of(stores ? std::filesystem::path(held_out.features_path) : options_.held_out_features,
                      held_out.features);
    }
    members["features"] = describe_features(stores ? options_.dev_store : options_.dev_features, dev.features,
                                            data_.dev().features().settings);
    return members;
}

/// Local, on rank 0: writes the results of a head. If it has diverged, they are those of its best epoch
/// before that.
void HeadTraining::finish(const Trainee& trainee, const Head& head) {
    saving_.wait();  // a thread may still be writing this head's state
    if (const Json& end = trainee.diverged; !end.is_null()) {
        spdlog::warn(
            "{}: diverged: its loss, weights or logits are not finite after step {}, in epoch {}; its "
            "training ends here",
            trainee.job.name(), end.at("step").get<std::int64_t>(), end.at("epoch").get<std::int64_t>());
    }
    auto results = metrics_of(trainee, head, sources());
    results["made"] = made_by("bv_train");
    if (!results.contains("head_epochs")) trainee.files->remove_head();
    trainee.files->finish(results);
    if (trainee.history && !trainee.lines.is_null())
        spdlog::info("{}: best: {}", trainee.job.name(), trainee.history->best_text());
}

}  // namespace bv
