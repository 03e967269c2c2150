#include "squad/scoring/official_scorer.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

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

/// A question's score after a threshold on its none score.
double after(const ScoredAnswer& one, double threshold, double score) {
    if (one.none_score && *one.none_score > threshold) return one.has_answer ? 0.0 : 1.0;
    return score;
}

double exact_of(const ScoredAnswer& one) {
    return one.verdict.exact ? 1 : 0;
}

double f1_of(const ScoredAnswer& one) {
    return one.verdict.f1;
}

template <class Chosen>
void add_means(Scores& scores, const std::string& prefix, std::span<const ScoredAnswer> all, double threshold,
               Chosen chosen) {
    double exact = 0;
    double f1 = 0;
    std::int64_t total = 0;
    for (const ScoredAnswer& one : all) {
        if (!chosen(one)) continue;
        exact += after(one, threshold, exact_of(one));
        f1 += after(one, threshold, f1_of(one));
        ++total;
    }
    if (total == 0) return;
    scores[prefix + "exact"] = 100.0 * exact / static_cast<double>(total);
    scores[prefix + "f1"] = 100.0 * f1 / static_cast<double>(total);
    scores[prefix + "total"] = total;
}

/// Finds the best threshold. Answers are accepted one by one, beginning with the lowest none score; the best
/// threshold gives the highest sum of scores.
template <class Metric>
void add_best(Scores& scores, const std::string& name, const std::vector<const ScoredAnswer*>& by_none_score,
              std::int64_t unanswerable, Metric metric) {
    auto current = static_cast<double>(unanswerable);
    double best = current;
    double threshold = 0;
    for (const ScoredAnswer* one : by_none_score) {
        current += one->has_answer ? metric(*one) : one->says_none ? 0.0 : -1.0;
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
double average_precision(const std::vector<const ScoredAnswer*>& by_none_score, std::int64_t answerable,
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

GoldAnswers::GoldAnswers(const Question& question) {
    for (const Answer& answer : question.answers) {
        std::string text = normalized_text(answer.text);
        const auto is_same = [&](const Gold& gold) { return gold.text == text; };
        if (!text.empty() && std::ranges::none_of(golds_, is_same)) {
            std::vector<std::string> words = words_of(text);
            golds_.push_back({std::move(text), std::move(words)});
        }
    }
    if (golds_.empty()) golds_.emplace_back();
}

OfficialVerdict GoldAnswers::judge(const std::string& answer) const {
    const std::string text = normalized_text(answer);
    const std::vector<std::string> words = words_of(text);
    OfficialVerdict verdict;
    for (const Gold& gold : golds_) {
        if (gold.text == text) return {true, 1};
        verdict.f1 = std::max(verdict.f1, overlap_f1(gold.words, words));
    }
    return verdict;
}

nlohmann::ordered_json official_scores(std::span<const ScoredAnswer> answers, std::int64_t answerable,
                                       std::int64_t unanswerable, double threshold) {
    BV_EXPECT(!answers.empty());
    Scores scores;
    add_means(scores, "", answers, threshold, [](const ScoredAnswer&) { return true; });
    add_means(scores, "HasAns_", answers, threshold, [](const ScoredAnswer& one) { return one.has_answer; });
    add_means(scores, "NoAns_", answers, threshold, [](const ScoredAnswer& one) { return !one.has_answer; });
    if (!answers.front().none_score) return scores;

    std::vector<const ScoredAnswer*> by_none_score;
    for (const ScoredAnswer& one : answers) by_none_score.push_back(&one);
    std::ranges::sort(by_none_score, {},
                      [](const ScoredAnswer* one) { return std::pair(*one->none_score, one->none_place); });
    add_best(scores, "exact", by_none_score, unanswerable, exact_of);
    add_best(scores, "f1", by_none_score, unanswerable, f1_of);
    if (answerable == 0) return scores;
    scores["pr_exact_ap"] = average_precision(by_none_score, answerable, exact_of);
    scores["pr_f1_ap"] = average_precision(by_none_score, answerable, f1_of);
    scores["pr_oracle_ap"] =
        average_precision(by_none_score, answerable, [](const ScoredAnswer&) { return 1.0; });
    return scores;
}

nlohmann::ordered_json official_scores(std::span<const Question> questions, const PredictedTexts& predictions,
                                       const std::optional<NoAnswerScores>& none_scores, double threshold) {
    std::unordered_map<std::string_view, const std::string*> text_of;
    for (const auto& [id, text] : predictions) text_of.emplace(id, &text);
    std::unordered_map<std::string_view, std::size_t> none_place_of;
    for (std::size_t i = 0; none_scores && i < none_scores->size(); ++i)
        none_place_of.emplace((*none_scores)[i].first, i);

    std::vector<ScoredAnswer> all;
    std::unordered_set<std::string_view> seen;
    std::int64_t answerable = 0;
    for (const Question& question : questions) {
        if (!question.answers.empty()) ++answerable;
        const auto text = text_of.find(question.id);
        if (text == text_of.end()) {
            spdlog::warn("Missing prediction for {}", question.id);
            continue;
        }
        if (!seen.insert(question.id).second) fail("question id '{}' occurs twice", question.id);
        const std::string& answer = *text->second;
        all.push_back({!question.answers.empty(), answer.empty(), GoldAnswers(question).judge(answer)});
        if (!none_scores) continue;
        const auto place = none_place_of.find(question.id);
        if (place == none_place_of.end()) fail("question '{}' has no no-answer probability", question.id);
        all.back().none_place = place->second;
        all.back().none_score = (*none_scores)[place->second].second;
    }
    if (all.empty()) fail("none of the {} questions has a prediction", questions.size());
    return official_scores(all, answerable, static_cast<std::int64_t>(questions.size()) - answerable,
                           threshold);
}

}  // namespace bv
