#include "programs/store/command.hpp"

#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "programs/store/actions.hpp"

namespace bv {

void StoreToolOptions::declare(CommandLine& line) {
    line.argument("action", action, "info, verify or repair").required().one_of({"info", "verify", "repair"});
    line.argument("store", store, "embedding store of bv_extract").required();
    line.option("checkpoint", checkpoint,
                "for repair: the folder of the checkpoint that made the states, if it is no longer at the "
                "path that the store names");
    bv::declare(line, compute);
}

void run_store_tool(const StoreToolOptions& options, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    if (options.action == "info") return print_info(options, ranks);
    if (options.action == "verify") return verify(options, ranks);
    repair(options, ranks);
}

}  // namespace bv
