#include "programs/plan/study.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <type_traits>

#include <toml++/toml.h>

#include "config/command_line.hpp"
#include "core/error.hpp"
#include "core/nearest.hpp"
#include "io/files.hpp"
#include "programs/extract/command.hpp"
#include "programs/finetune/command.hpp"
#include "programs/train/command.hpp"
#include "states/task_states.hpp"

namespace bv {
namespace {

/// Keys of [study]; those that cost nothing to plan are read by the scripts that run a study.
const std::vector<std::string> kKeys{"seed",           "seeds",
                                     "tasks",          "states_at",
                                     "span_heads",     "classification_heads",
                                     "corpus_train",   "corpus_dev",
                                     "hold_out",       "keep_stores",
                                     "shares",         "layer_subsets",
                                     "layer_atlas",    "mixed",
                                     "span_ensembles", "classification_ensembles"};

/// The options that a program would read from its table of the study at `path`. `required` are flags without
/// which it does not start, and whose values no plan needs.
template <class Options>
Options options_of(const std::string& program, const std::filesystem::path& path,
                   const std::vector<std::string>& required) {
    Options options;
    CommandLine line(program, "");
    options.declare(line);
    std::vector<std::string> words{program, "--config", path.string()};
    for (const std::string& flag : required) words.insert(words.end(), {"--" + flag, "unused"});
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    line.parse(static_cast<int>(arguments.size()), arguments.data());
    return options;
}

/// "FILE:LINE: [study] KEY": where `node` stands.
std::string place_of(const toml::node& node, const std::string& key, const std::string& file) {
    return fmt::format("{}:{}: [study] {}", file, node.source().begin.line, key);
}

/// The value of `node`, where it is a T; a whole number is a double too.
template <class T>
std::optional<T> value_of(const toml::node& node) {
    if (auto value = node.value_exact<T>()) return value;
    if constexpr (std::is_same_v<T, double>) {
        if (const auto whole = node.value_exact<std::int64_t>()) return static_cast<double>(*whole);
    }
    return {};
}

/// The values of `key`, each of which `check` may refuse by an Error; none where it is missing.
template <class T>
std::vector<T> list_of(const toml::table& table, const std::string& key, const std::string& file,
                       const std::function<void(const T&)>& check) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    std::vector<T> values;
    const auto add = [&](const toml::node& item) {
        const auto value = value_of<T>(item);
        if (!value) {
            fail("{} must be a list of {}", place_of(item, key, file),
                 std::is_same_v<T, std::string> ? "strings"
                 : std::is_same_v<T, double>    ? "numbers"
                                                : "whole numbers");
        }
        try {
            check(*value);
        } catch (const Error& wrong) {
            fail("{}: {}", place_of(item, key, file), wrong.what());
        }
        values.push_back(*value);
    };
    if (const toml::array* array = node->as_array()) {
        for (const toml::node& item : *array) add(item);
    } else {
        add(*node);
    }
    return values;
}

void read_table(const toml::table& table, const std::string& file, Study& study) {
    for (const auto& [key, node] : table) {
        const std::string name(key.str());
        if (std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end()) continue;
        fail("{}:{}: unknown key '{}' in [study]; the nearest known one is '{}'", file,
             node.source().begin.line, name, nearest(name, kKeys));
    }
    std::vector<Task> tasks;
    list_of<std::string>(table, "tasks", file,
                         [&](const std::string& task) { tasks.push_back(parse<Task>(task)); });
    if (!tasks.empty()) study.tasks = tasks;
    for (const char* key : {"seed", "seeds"}) {
        const auto seeds = list_of<std::int64_t>(table, key, file, [](const std::int64_t& seed) {
            if (seed < 0) fail("found {}, expected a whole number, 0 or more", seed);
        });
        if (!seeds.empty()) study.seeds.assign(seeds.begin(), seeds.end());
    }
    list_of<std::string>(table, "states_at", file, [&](const std::string& epoch) {
        study.states_at.push_back(EpochFraction::parse(epoch));
    });
    if (const toml::node* keep = table.get("keep_stores")) {
        if (!keep->is_boolean())
            fail("{}:{}: 'keep_stores' must be true or false", file, keep->source().begin.line);
        study.keep_stores = keep->value_or(true);
    }
    study.shares = list_of<double>(table, "shares", file, [](const double& share) {
        if (!(share > 0 && share <= 1)) fail("found {}, expected a number above 0 and at most 1", share);
    });
    std::erase(study.shares, 1.0);  // all questions are trained on anyway
    study.layer_subsets = list_of<std::string>(table, "layer_subsets", file,
                                               [](const std::string& layers) { parse_layers(layers); });
}

}  // namespace

Study read_study(const std::filesystem::path& path) {
    const std::string file = path.string();
    Study study;
    const auto tuning = options_of<FinetuneOptions>("bv_finetune", path, {"model", "features", "output"});
    study.checkpoints = parse_checkpoints(tuning.checkpoints);
    study.batch = tuning.batch;
    const auto states = options_of<ExtractOptions>("bv_extract", path, {"checkpoint", "features", "store"});
    study.dtype = states.dtype;
    study.layers = states.layers;
    const auto heads = options_of<TrainOptions>("bv_train", path, {"heads", "output"});
    study.span_head_epochs = heads.epochs > 0 ? heads.epochs : default_head_epochs(Task::span);
    study.classification_head_epochs =
        heads.epochs > 0 ? heads.epochs : default_head_epochs(Task::classification);
    const toml::table all = toml::parse(read_file(path), file);
    if (const toml::table* table = all["study"].as_table()) read_table(*table, file, study);
    for (const EpochFraction& epoch : study.states_at) {
        if (std::find(study.checkpoints.begin(), study.checkpoints.end(), epoch) == study.checkpoints.end()) {
            fail("{}: [study] states_at names epoch {}, at which [finetune] keeps no checkpoint", file,
                 epoch.text());
        }
    }
    return study;
}

}  // namespace bv
