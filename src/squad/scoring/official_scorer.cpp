#include "squad/scoring/official_scorer.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include "core/error.hpp"
#include "core/log.hpp"
#include "squad/scoring/normalized_text.hpp"
#include "squad/scoring/word_overlap.hpp"

namespace bv {
namespace {

using Scores = nlohmann::ordered_json;

std::vector<std::string> words_of(const std::string& normalized) {
    std::istringstream stream(normalized);
    return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

/// One question with a prediction.
struct Scored {
    bool has_answer = false;
    bool predicts_none = false;
    double exact = 0;
    double f1 = 0;
    std::optional<double> none_score;

    /// The question's score if it counts as answered "none" when its none_score exceeds `threshold`;
    /// otherwise `score`.
    double at(double threshold, double score) const {
        if (none_score && *none_score > threshold) return has_answer ? 0.0 : 1.0;
        return score;
    }
};

Scored score(const Question& question, const std::string& prediction) {
    std::vector<std::string> golds;
    for (const Answer& answer : question.answers) {
        golds.push_back(normalized_text(answer.text));
        if (golds.back().empty()) golds.pop_back();
    }
    if (golds.empty()) golds.emplace_back();
    Scored result;
    result.has_answer = !question.answers.empty();
    result.predicts_none = prediction.empty();
    const std::string predicted = normalized_text(prediction);
    const std::vector<std::string> predicted_words = words_of(predicted);
    for (const std::string& gold : golds) {
        if (gold == predicted) result.exact = 1;
        result.f1 = std::max(result.f1, overlap_f1(words_of(gold), predicted_words));
    }
    return result;
}

template <class Chosen>
void add_means(Scores& scores, const std::string& prefix, const std::vector<Scored>& all, double threshold,
               Chosen chosen) {
    double exact = 0;
    double f1 = 0;
    std::int64_t total = 0;
    for (const Scored& one : all) {
        if (!chosen(one)) continue;
        exact += one.at(threshold, one.exact);
        f1 += one.at(threshold, one.f1);
        ++total;
    }
    if (total == 0) return;
    scores[prefix + "exact"] = 100.0 * exact / static_cast<double>(total);
    scores[prefix + "f1"] = 100.0 * f1 / static_cast<double>(total);
    scores[prefix + "total"] = total;
}

/// Finds the best threshold. Answers are accepted one by one, beginning with the lowest none score; the best
/// threshold gives the highest sum of scores.
void add_best(Scores& scores, const std::string& name, const std::vector<const Scored*>& by_none_score,
              std::int64_t unanswerable, double Scored::*metric) {
    auto current = static_cast<double>(unanswerable);
    double best = current;
    double threshold = 0;
    for (const Scored* one : by_none_score) {
        current += one->has_answer ? one->*metric : one->predicts_none ? 0.0 : -1.0;
        if (current > best) {
            best = current;
            threshold = *one->none_score;
        }
    }
    scores["best_" + name] = 100.0 * best / static_cast<double>(by_none_score.size());
    scores["best_" + name + "_thresh"] = threshold;
}

/// The area under the precision-recall curve over all thresholds. Questions with equal none scores are
/// accepted together.
template <class Metric>
double average_precision(const std::vector<const Scored*>& by_none_score, std::int64_t answerable,
                         Metric metric) {
    double true_positives = 0;
    double last_recall = 0;
    double average = 0;
    for (std::size_t i = 0; i < by_none_score.size(); ++i) {
        if (by_none_score[i]->has_answer) true_positives += metric(*by_none_score[i]);
        if (i + 1 < by_none_score.size() && by_none_score[i]->none_score == by_none_score[i + 1]->none_score)
            continue;
        const double recall = true_positives / static_cast<double>(answerable);
        average += true_positives / static_cast<double>(i + 1) * (recall - last_recall);
        last_recall = recall;
    }
    return 100.0 * average;
}

}  // namespace

nlohmann::ordered_json official_scores(std::span<const Question> questions, const PredictedTexts& predictions,
                                       const std::optional<NoAnswerScores>& none_scores, double threshold) {
    std::unordered_map<std::string_view, const std::string*> text_of;
    for (const auto& [id, text] : predictions) text_of.emplace(id, &text);
    std::unordered_map<std::string_view, double> none_score_of;
    if (none_scores) none_score_of.insert(none_scores->begin(), none_scores->end());

    std::vector<Scored> all;
    std::unordered_map<std::string_view, std::size_t> place_of;
    std::int64_t answerable = 0;
    for (const Question& question : questions) {
        if (!question.answers.empty()) ++answerable;
        const auto text = text_of.find(question.id);
        if (text == text_of.end()) {
            spdlog::warn("Missing prediction for {}", question.id);
            continue;
        }
        if (!place_of.emplace(question.id, all.size()).second)
            fail("question id '{}' occurs twice", question.id);
        all.push_back(score(question, *text->second));
        if (!none_scores) continue;
        const auto none_score = none_score_of.find(question.id);
        if (none_score == none_score_of.end())
            fail("question '{}' has no no-answer probability", question.id);
        all.back().none_score = none_score->second;
    }
    if (all.empty()) fail("none of the {} questions has a prediction", questions.size());

    Scores scores;
    add_means(scores, "", all, threshold, [](const Scored&) { return true; });
    add_means(scores, "HasAns_", all, threshold, [](const Scored& one) { return one.has_answer; });
    add_means(scores, "NoAns_", all, threshold, [](const Scored& one) { return !one.has_answer; });
    if (!none_scores) return scores;

    std::vector<const Scored*> by_none_score;
    for (const auto& [id, value] : *none_scores) {
        const auto place = place_of.find(id);
        if (place != place_of.end()) by_none_score.push_back(&all[place->second]);
    }
    std::stable_sort(by_none_score.begin(), by_none_score.end(),
                     [](const Scored* a, const Scored* b) { return *a->none_score < *b->none_score; });
    const auto unanswerable = static_cast<std::int64_t>(questions.size()) - answerable;
    add_best(scores, "exact", by_none_score, unanswerable, &Scored::exact);
    add_best(scores, "f1", by_none_score, unanswerable, &Scored::f1);
    if (answerable == 0) return scores;
    const auto average = [&](auto metric) { return average_precision(by_none_score, answerable, metric); };
    scores["pr_exact_ap"] = average([](const Scored& one) { return one.exact; });
    scores["pr_f1_ap"] = average([](const Scored& one) { return one.f1; });
    scores["pr_oracle_ap"] = average([](const Scored&) { return 1.0; });
    return scores;
}

}  // namespace bv
