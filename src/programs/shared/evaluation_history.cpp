#include "programs/shared/evaluation_history.hpp"

#include <algorithm>
#include <ranges>
#include <string_view>
#include <vector>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "optim/epoch.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

struct Metric {
    std::string_view name;  // as --eval-metric takes it
    const char* label;      // in a sentence
    const char* place;      // in an evaluation
};

const std::vector<Metric>& metrics_of(Task task) {
    static const std::vector<Metric> span{{"em", "EM", "/official/exact"},
                                          {"f1", "F1", "/official/f1"},
                                          {"best_f1", "best F1", "/official/best_f1"}};
    static const std::vector<Metric> classification{{"accuracy", "accuracy", "/classification/exact"},
                                                    {"f1", "F1", "/classification/f1"}};
    return task == Task::span ? span : classification;
}

const Metric& metric_named(Task task, const std::string& name) {
    const std::vector<Metric>& known = metrics_of(task);
    const auto found = std::ranges::find(known, name, &Metric::name);
    if (found == known.end()) {
        fail("--eval-metric is {}; for the {} task it must be one of {}", name, task,
             fmt::join(known | std::views::transform(&Metric::name), ", "));
    }
    return *found;
}

/// The most important scores for the log while training runs, in percent.
std::string scores_text(const Json& evaluation) {
    const bool span = evaluation.contains("official");
    const Json& scores = evaluation.at(span ? "official" : "classification");
    const std::vector<std::pair<const char*, const char*>> wanted{{span ? "EM" : "accuracy", "exact"},
                                                                  {"F1", "f1"},
                                                                  {"has-answer F1", "HasAns_f1"},
                                                                  {"no-answer F1", "NoAns_f1"},
                                                                  {"best F1", "best_f1"}};
    std::vector<std::string> parts;
    for (const auto& [label, key] : wanted) {
        if (scores.contains(key)) parts.push_back(fmt::format("{} {:.2f}", label, scores[key].get<double>()));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string epoch_label(const Json& evaluation) {
    const Json& epoch = evaluation.at("epoch");  // of heads a number, of fine-tuning a fraction as text
    if (epoch.is_number()) return std::to_string(epoch.get<std::int64_t>());
    return EpochFraction::parse(epoch.get<std::string>()).label();
}

}  // namespace

std::vector<std::string> eval_metrics() {
    std::vector<std::string> names;
    for (const Task task : {Task::span, Task::classification}) {
        for (const Metric& metric : metrics_of(task)) {
            if (std::ranges::find(names, metric.name) == names.end()) names.emplace_back(metric.name);
        }
    }
    return names;
}

EvaluationHistory::EvaluationHistory(Task task, const std::string& metric, std::int64_t patience)
    : metric_(metric),
      label_(metric_named(task, metric).label),
      place_(metric_named(task, metric).place),
      patience_(patience) {}

bool EvaluationHistory::out_of_patience() const {
    return patience_ > 0 && !all_.empty() &&
           all_.size() - 1 - best_index() >= static_cast<std::size_t>(patience_);
}

std::int64_t EvaluationHistory::best_place() const {
    return all_.empty() ? 0 : static_cast<std::int64_t>(best_index()) + 1;
}

Json EvaluationHistory::best() const {
    if (all_.empty()) return {};
    const Json& best = all_[best_index()];
    return {{"epoch", best.at("epoch")}, {"metric", metric_}, {"value", value(best)}};
}

std::string EvaluationHistory::best_text() const {
    if (all_.empty()) return "none";
    const Json& best = all_[best_index()];
    return fmt::format("epoch {}, {} {:.2f}", epoch_label(best), label_, value(best));
}

std::string EvaluationHistory::last_text(const std::string& hours) const {
    const Json& last = all_.back();
    std::string text = fmt::format("epoch {}: {}", epoch_label(last), scores_text(last));
    if (all_.size() == 1) return text;
    const Json& before = all_[all_.size() - 2];
    const double gained = value(last) - value(before);
    const double spent = last.at("rank_hours").get<double>() - before.at("rank_hours").get<double>();
    return text + fmt::format("; {:+.2f} {} in {:.3g} {} ({:.1f} {} an hour)", gained, label_, spent, hours,
                              gained / std::max(spent, 1e-9), label_);
}

double EvaluationHistory::value(const Json& evaluation) const {
    return evaluation.at(place_).get<double>();
}

std::size_t EvaluationHistory::best_index() const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < all_.size(); ++i) {
        if (value(all_[i]) > value(all_[best])) best = i;
    }
    return best;
}

}  // namespace bv
