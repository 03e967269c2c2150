#include "programs/eval/predictions.hpp"

#include <optional>

#include <nlohmann/json.hpp>

#include "config/command_line.hpp"
#include "core/error.hpp"
#include "core/standard_streams.hpp"
#include "io/files.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/result_files.hpp"
#include "programs/eval/show.hpp"
#include "programs/shared/provenance.hpp"
#include "squad/features/dataset.hpp"
#include "squad/scoring/official_scorer.hpp"
#include "squad/scoring/question_records.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

void write_metrics(const EvalOptions& options, const CommandLine& line, const Json& scores) {
    Json metrics{{"predictions", source_of(options.predictions)}, {"squad", source_of(options.squad)}};
    if (!options.na_probs.empty()) metrics["na_probs"] = source_of(options.na_probs);
    metrics["official"] = scores;
    metrics["made"] = made_by(line.program());
    remove_results(options.output, {options.predictions, options.na_probs});
    write_file(options.output / "config.toml", line.resolved());
    write_file(options.output / "metrics.json", metrics.dump(2) + "\n");
}

}  // namespace

void score_predictions(const EvalOptions& options, const CommandLine& line) {
    const Dataset dataset = read_squad(options.squad);
    if (!dataset.labelled) fail("{} holds no answers to score against", options.squad.string());
    std::optional<NoAnswerScores> none_scores;
    if (!options.na_probs.empty()) none_scores = read_no_answer_scores(options.na_probs);
    const PredictedTexts predictions = read_predictions(options.predictions);
    Json scores;
    try {
        scores = official_scores(dataset.questions, predictions, none_scores, options.na_prob_threshold);
    } catch (const Error& wrong) {
        fail("{}{} against {}: {}", options.predictions.string(),
             none_scores ? " with " + options.na_probs.string() : "", options.squad.string(), wrong.what());
    }
    if (!options.output.empty()) write_metrics(options, line, scores);
    const std::string shown =
        show_predictions(dataset, predictions, none_scores, options.na_prob_threshold, options.show);
    print_results(shown + scores.dump(2) + "\n");
}

}  // namespace bv
