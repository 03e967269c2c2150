#include "comm/guard.hpp"
#include "comm/parse_on_ranks.hpp"
#include "config/command_line.hpp"
#include "programs/extract/command.hpp"
#include "programs/shared/version.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        bv::CommandLine line(
            "bv_extract",
            "Writes every hidden state that a BERT computes for a features file into one embedding store "
            "(parallel HDF5). Heads are trained on this store. The same command, on any number of ranks, "
            "finishes an interrupted run. On the stop signal (SIGUSR1; under srun also SIGTERM) it finishes "
            "the current block and ends with exit code 85.",
            "Examples:\n"
            "  mpirun -n 2 bv_extract --checkpoint run/span/seed-1/checkpoints/epoch-0.3 --features "
            "run/features/train.h5 \\\n"
            "              --task span --store run/span/seed-1/stores/epoch-0.3-train.h5\n"
            "  bv_extract ... --layers 0,12,24 --dtype bfloat16     three of the states, in bfloat16\n"
            "  bv_extract ... --dtype float8                        all states, in half the bytes\n");
        bv::ExtractOptions options;
        options.declare(line);
        bv::parse_on_ranks(line, argc, argv, ranks);
        bv::extract(options, line, ranks);
    });
}
