#include "comm/guard.hpp"
#include "config/command_line.hpp"
#include "programs/shared/version.hpp"
#include "programs/store/command.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        bv::CommandLine line(
            "bv_store",
            "Looks after embedding stores: info says what is in one and what the reference's layout would "
            "take, verify checks every byte against its checksums and names damaged and missing blocks, "
            "repair computes just those again, on any number of ranks. The stop signal (SIGUSR1; under srun "
            "SIGTERM too) ends verify and repair early, exit code 85; blocks that are repaired stay.",
            "Examples:\n"
            "  bv_store info run/span/seed-1/stores/epoch-0.3-train.h5\n"
            "  bv_store verify run/span/seed-1/stores/epoch-0.3-train.h5\n"
            "  mpirun -n 4 bv_store repair run/span/seed-1/stores/epoch-0.3-train.h5\n");
        bv::StoreToolOptions options;
        options.declare(line);
        ranks.agree([&] { line.parse(argc, argv); });
        bv::run_store_tool(options, ranks);
    });
}
