#include "comm/guard.hpp"
#include "comm/parse_on_ranks.hpp"
#include "config/command_line.hpp"
#include "programs/shared/version.hpp"
#include "programs/store/command.hpp"

int main(int argc, char** argv) {
    if (const auto code = bv::answer_version(argc, argv)) return *code;
    return bv::run_on_ranks([&](const bv::Communicator& ranks) {
        bv::CommandLine line(
            "bv_store",
            "Describes, checks, repairs and exports an embedding store. info prints its contents, and the "
            "size that the same states have in the reference's layout. verify checks every byte against its "
            "checksums and names damaged and missing blocks. repair computes only these blocks again, on any "
            "number of ranks. export writes the states of chosen layers and features into a safetensors "
            "file, for other programs. The stop signal (SIGUSR1; under srun also SIGTERM) ends verify, "
            "repair and export early, with exit code 85; repaired blocks stay repaired.",
            "Examples:\n"
            "  bv_store info run/span/seed-1/stores/epoch-0.3-train.h5\n"
            "  bv_store verify run/span/seed-1/stores/epoch-0.3-train.h5\n"
            "  mpirun -n 4 bv_store repair run/span/seed-1/stores/epoch-0.3-train.h5\n"
            "  bv_store export run/span/seed-1/stores/epoch-0.3-dev.h5 --layers 0,24 --output "
            "states.safetensors\n");
        bv::StoreToolOptions options;
        options.declare(line);
        bv::parse_on_ranks(line, argc, argv, ranks);
        bv::run_store_tool(options, ranks);
    });
}
