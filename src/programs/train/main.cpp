#include <string>

#include "comm/guard.hpp"
#include "comm/parse_on_ranks.hpp"
#include "config/command_line.hpp"
#include "heads/head_definition.hpp"
#include "programs/shared/version.hpp"
#include "programs/train/command.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        std::string names;
        for (const bv::BuiltInHead& head : bv::built_in_heads()) names.append("\n  ").append(head.name);
        bv::CommandLine line(
            "bv_train",
            "Trains small heads on the hidden states of a BERT, over all ranks, and scores them on the dev "
            "states after each epoch. Each batch of states is read once for all heads. On the stop signal "
            "(SIGUSR1; under srun also SIGTERM) it finishes the current step, saves the states of the heads "
            "and ends with exit code 85; the same command goes on from there.",
            "Built-in heads (defined in configs/heads; your own TOML file can use the same blocks):" + names +
                "\nExample: mpirun -n 2 bv_train --store epoch-0.3-train.h5 --dev-store epoch-0.3-dev.h5 "
                "--heads learned_pooling,adapter_64_shared_skip --output run/span/seed-1/heads");
        bv::TrainOptions options;
        options.declare(line);
        bv::parse_on_ranks(line, argc, argv, ranks);
        bv::train(options, line, ranks);
    });
}
