#include "programs/store/command.hpp"

#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/error.hpp"
#include "programs/store/actions.hpp"

namespace bv {
namespace {

struct Action {
    const char* name;
    void (*run)(const StoreToolOptions&, const Communicator&);
};
constexpr Action kActions[] = {
    {"info", print_info}, {"verify", verify}, {"repair", repair}, {"export", export_states}};

std::vector<std::string> names_of_actions() {
    std::vector<std::string> names;
    for (const Action& action : kActions) names.emplace_back(action.name);
    return names;
}

}  // namespace

void StoreToolOptions::declare(CommandLine& line) {
    line.argument("action", action, "info, verify, repair or export").required().one_of(names_of_actions());
    line.argument("store", store, "embedding store of bv_extract").required();
    line.option("checkpoint", checkpoint,
                "for repair: the folder of the checkpoint that made the states, if it is no longer at the "
                "path that the store names");
    line.option("output", output, "for export: safetensors file to write").output_file();
    line.option(
        "layers", layers,
        "for export: hidden states to write: all, or a list such as 0,12,24, where 0 is the embedding "
        "output; in the classification task the pooled output is written too");
    line.option("questions", questions, "for export: ids of the questions to write, such as id1,id2 [all]")
        .delimiter(',');
    line.option("features", features,
                "for export: numbers of the features to write: all, or a list such as 0,5,10-20, counted in "
                "the order of the features file");
    line.option("force", force, "for export: replace an existing --output");
    bv::declare(line, compute);
}

void run_store_tool(const StoreToolOptions& options, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    ranks.agree([&] {
        struct Flag {
            const char* name;
            bool given;
            const char* action;
        };
        for (const Flag& flag : {Flag{"--checkpoint", !options.checkpoint.empty(), "repair"},
                                 Flag{"--output", !options.output.empty(), "export"},
                                 Flag{"--layers", options.layers != "all", "export"},
                                 Flag{"--questions", !options.questions.empty(), "export"},
                                 Flag{"--features", options.features != "all", "export"},
                                 Flag{"--force", options.force, "export"}}) {
            if (flag.given && options.action != flag.action)
                fail("{} is for {}; {} does not use it", flag.name, flag.action, options.action);
        }
    });
    for (const Action& action : kActions) {
        if (options.action == action.name) action.run(options, ranks);
    }
}

}  // namespace bv
