// Answers and probabilities of other programs, as bv_eval scores them.
#include <optional>

#include "frame.hpp"
#include "squad/scoring/official_scorer.hpp"
#include "squad/scoring/prediction_files.hpp"

void bv::fuzz::read(std::string_view input) {
    write_files(input, {"predictions.json", "na_probs.json"});
    const std::vector<Question> questions{{"q1", "Where does the ferry go?", 0, {{"the island", 4}}, false},
                                          {"q2", "Who built it?", 0, {}, true},
                                          {"q3", "When?", 0, {{"in May", 0}, {"May", 3}}, false}};
    std::optional<NoAnswerScores> none_scores;
    if (std::filesystem::exists(folder() / "na_probs.json"))
        none_scores = read_no_answer_scores(folder() / "na_probs.json");
    official_scores(questions, read_predictions(folder() / "predictions.json"), none_scores);
}
