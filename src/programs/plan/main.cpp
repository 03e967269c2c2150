#include "comm/guard.hpp"
#include "comm/parse_on_ranks.hpp"
#include "config/command_line.hpp"
#include "programs/plan/command.hpp"
#include "programs/shared/version.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        bv::CommandLine line(
            "bv_plan",
            "Estimates the costs of a study before it runs: the bytes of checkpoints and stores, the time "
            "and the GPU hours. It also says whether it is faster to store the states or to compute them "
            "again for each pass. bv_plan takes little time, so the stop signal (SIGUSR1) does not end it "
            "early.",
            "Examples:\n"
            "  bv_plan --config configs/reference.toml\n"
            "  mpirun -n 8 bv_plan --config configs/reference.toml --measure --folder /scratch/me\n"
            "  bv_plan --config configs/reference.toml --ranks 64 --train-rate 55000 --encode-rate 160000 "
            "--write-rate 5000 --read-rate 8000\n"
            "  bv_plan --config configs/reference.toml --print\n");
        bv::PlanOptions options;
        options.declare(line);
        bv::parse_on_ranks(line, argc, argv, ranks);
        options.study = line.config_file();
        bv::plan(options, ranks);
    });
}
