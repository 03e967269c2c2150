#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "squad/features/features.hpp"
#include "squad/scoring/answers.hpp"

namespace bv {

/// Answers by question id in their file's order ("" = none): the official scorer breaks ties by it.
using PredictedTexts = std::vector<std::pair<std::string, std::string>>;
/// What speaks for "no answer" by question id in its file's order: a probability, or null odds.
using NoAnswerScores = std::vector<std::pair<std::string, double>>;

/// Reads a JSON object {"question id": "answer"}; of a repeated id the last answer counts, at the first's
/// place. Throws Error naming the file and the place.
PredictedTexts read_predictions(const std::filesystem::path& path);

/// Reads a JSON object {"question id": number}, as above.
NoAnswerScores read_no_answer_scores(const std::filesystem::path& path);

/// Writes the inverse of `read_no_answer_scores`.
void write_no_answer_scores(const std::filesystem::path& path, const NoAnswerScores& scores);

/// Writes Hugging Face run_qa's three files into `folder`: predictions.json {id: text},
/// nbest_predictions.json {id:
/// [{text, start_logit, end_logit, probability}]} and null_odds.json {id: null score - best span's score}.
void write_predictions(const std::filesystem::path& folder, const Features& features,
                       const std::vector<QuestionAnswers>& answers, double null_threshold);

}  // namespace bv
