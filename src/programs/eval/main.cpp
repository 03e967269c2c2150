#include <string>

#include "comm/guard.hpp"
#include "comm/parse_on_ranks.hpp"
#include "config/command_line.hpp"
#include "programs/eval/command.hpp"
#include "programs/shared/version.hpp"
#include "squad/scoring/scores.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        bv::CommandLine line(
            "bv_eval",
            "Turns logits into answers and scores. The logits are those of a fine-tuned checkpoint, of a "
            "head over hidden states, or of files. It also scores a file of answers as the official SQuAD "
            "2.0 script does, compares two evaluations, answers typed questions, and writes the output of "
            "the blocks before a head's last block. Scores are in percent. " +
                std::string(bv::kScorersExplained) +
                " The stop signal (SIGUSR1; under srun SIGTERM too) ends a prediction early: nothing is "
                "written, and the exit code is 85.",
            "Examples:\n"
            "  mpirun -n 2 bv_eval --checkpoint run/span/seed-1/checkpoints/epoch-0.3 --features dev.h5 "
            "--output out\n"
            "  bv_eval --head heads/learned_pooling/epoch-0.3/lr-0.001-seed-1 --store epoch-0.3-dev.h5 "
            "--output out\n"
            "  bv_eval --logits a/logits.safetensors,b/logits.safetensors --combine max --features dev.h5 "
            "--output out\n"
            "  bv_eval --predictions predictions.json --na-probs null_odds.json --squad dev-v2.0.json\n"
            "  bv_eval --logits out/logits.safetensors --features dev.h5 --output again --show 5\n"
            "  bv_eval --logits out/logits.safetensors --features dev.h5 --output final --threshold-from "
            "held-out\n"
            "  bv_eval --head heads/learned_pooling/epoch-0.3/lr-0.001-seed-1 --store epoch-0.3-dev.h5 "
            "--pooled rows.safetensors\n"
            "  bv_eval --compare bert,head\n"
            "  echo '{\"question\": \"Who?\", \"context\": \"Ada wrote it.\"}' | bv_eval --serve "
            "--checkpoint C --features dev.h5\n");
        bv::EvalOptions options;
        options.declare(line);
        bv::parse_on_ranks(line, argc, argv, ranks);
        bv::eval(options, line, ranks);
    });
}
