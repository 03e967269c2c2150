// answers_probe FEATURES LOGITS ROUNDS: finds and scores the 20 best answers of every question, ROUNDS times.
// Prints JSON: the number of questions, and the seconds of processor time and of the clock for each round.
// tools/bench runs it.

#include <cstdlib>
#include <ctime>
#include <iostream>

#include <nlohmann/json.hpp>

#include "core/stopwatch.hpp"
#include "squad/features/features_file.hpp"
#include "squad/scoring/question_records.hpp"
#include "squad/scoring/scores.hpp"

int main(int argc, char** argv) try {
    if (argc != 4) throw std::runtime_error("usage: answers_probe FEATURES LOGITS ROUNDS");
    const bv::Features features = bv::read_features(argv[1]);
    const bv::SpanLogits logits = bv::read_span_logits(argv[2]);
    nlohmann::json found{{"questions", 0}, {"cpu_seconds", {}}, {"seconds", {}}};
    for (int round = 0; round < std::atoi(argv[3]); ++round) {
        const std::clock_t cpu = std::clock();
        const bv::Stopwatch clock;
        const bv::SpanScores scores = bv::score_span(features, logits);
        const bv::QuestionRecords records = bv::records_of(features, scores);
        found["cpu_seconds"].push_back(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
        found["seconds"].push_back(clock.seconds());
        found["questions"] = records.count();
        found["exact"] = scores.official["exact"];
        found["f1"] = scores.official["f1"];
    }
    std::cout << found.dump() << "\n";
    return 0;
} catch (const std::exception& wrong) {
    std::cerr << "answers_probe: " << wrong.what() << "\n";
    return 1;
}
