#include "comm/guard.hpp"
#include "comm/parse_on_ranks.hpp"
#include "config/command_line.hpp"
#include "programs/finetune/command.hpp"
#include "programs/shared/version.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        bv::CommandLine line(
            "bv_finetune",
            "Fine-tunes BERT on SQuAD over all ranks, and writes a checkpoint at every wanted fraction of an "
            "epoch. On the stop signal (SIGUSR1; under srun also SIGTERM) it finishes the current step, "
            "saves its state and ends with exit code 85; the same command goes on from there.",
            "Example: mpirun -n 2 bv_finetune --model bert-large-uncased --features train.h5 --task span "
            "--checkpoints 0.1:0.9:0.1,1:6:1 --output run/span/seed-1");
        bv::FinetuneOptions options;
        options.declare(line);
        bv::parse_on_ranks(line, argc, argv, ranks);
        bv::finetune(options, line, ranks);
    });
}
