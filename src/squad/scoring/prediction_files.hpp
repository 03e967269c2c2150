#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "squad/features/features.hpp"
#include "squad/scoring/answers.hpp"

namespace bv {

/// Answers by question id ("" = none), in the order of their file. The official scorer breaks ties by this
/// order.
using PredictedTexts = std::vector<std::pair<std::string, std::string>>;
/// A score for "no answer" by question id, in the order of its file: a probability, or null odds.
using NoAnswerScores = std::vector<std::pair<std::string, double>>;

/// Reads a JSON object {"question id": "answer"}; if an id occurs several times, its last answer counts, at
/// the place of the first. Throws Error, which names the file and the place.
PredictedTexts read_predictions(const std::filesystem::path& path);

/// Reads a JSON object {"question id": number} in the same way. Throws Error, which names the file and the
/// place.
NoAnswerScores read_no_answer_scores(const std::filesystem::path& path);

/// Writes the file that `read_no_answer_scores` reads. Throws Error, which names the file.
void write_no_answer_scores(const std::filesystem::path& path, const NoAnswerScores& scores);

/// Writes Hugging Face run_qa's three files into `folder`: predictions.json {id: text},
/// nbest_predictions.json {id:
/// [{text, start_logit, end_logit, probability}]} and null_odds.json {id: null score - best span's score}.
void write_predictions(const std::filesystem::path& folder, const Features& features,
                       const std::vector<QuestionAnswers>& answers, double null_threshold);

}  // namespace bv
