#include "programs/plan/study.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include <fmt/ranges.h>

#include "config/command_line.hpp"
#include "config/numbers.hpp"
#include "core/error.hpp"
#include "core/nearest.hpp"
#include "heads/head_definition.hpp"
#include "io/files.hpp"
#include "io/toml.hpp"
#include "programs/eval/command.hpp"
#include "programs/extract/command.hpp"
#include "programs/finetune/command.hpp"
#include "programs/plan/study_reader.hpp"
#include "programs/train/command.hpp"

namespace bv {
namespace {

/// The options that a program reads from its table in the study at `path`. `required` are the flags that the
/// program requires and whose values the plan does not need: they get paths at which nothing can be.
template <class Options>
Options options_of(const std::string& program, const std::filesystem::path& path,
                   const std::vector<std::string>& required) {
    Options options;
    CommandLine line(program, "");
    options.declare(line);
    std::vector<std::string> words{program, "--config", path.string()};
    for (const std::string& flag : required) words.insert(words.end(), {"--" + flag, "/dev/null/" + flag});
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    line.parse(static_cast<int>(arguments.size()), arguments.data());
    return options;
}

/// Throws Error when [finetune] keeps no checkpoint at `epoch`.
void require_checkpoint(const Study& study, const EpochFraction& epoch) {
    if (std::find(study.checkpoints.begin(), study.checkpoints.end(), epoch) != study.checkpoints.end())
        return;
    fail("found epoch {}, at which [finetune] keeps no checkpoint", epoch.text());
}

/// Throws Error unless the study's stores have this hidden state.
void require_stored(const Study& study, std::int64_t layer) {
    if (study.layers && std::ranges::find(*study.layers, layer) == study.layers->end())
        fail("found layer {}, but [extract] stores the layers {}", layer, layers_text(study.layers));
}

/// Parses "0.3:1": the first epoch must be one of `states_at`, the second one must have a checkpoint.
MixedEpochs parse_mixed(const std::string& text, const Study& study) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) {
        fail("found '{}', expected two epochs, one to train on and one to score on, such as \"0.3:1\"", text);
    }
    const MixedEpochs pair{EpochFraction::parse(text.substr(0, colon)),
                           EpochFraction::parse(text.substr(colon + 1))};
    if (std::find(study.states_at.begin(), study.states_at.end(), pair.trained) == study.states_at.end()) {
        fail("'{}': epoch {} is not one of states_at", text, pair.trained.text());
    }
    require_checkpoint(study, pair.scored);
    return pair;
}

/// Returns a function that returns the head's name or path. It throws Error if that cannot stand in a list
/// for bv_train, in a line of a file, or in a folder's name, or if bv_train would not take it as a head of
/// `task` beside those before it.
std::function<std::string(const std::string&)> head_for(Task task) {
    return [task, names = std::set<std::string>()](const std::string& head) mutable {
        if (head.empty() || head.find_first_of(",\t\r\n") != std::string::npos) {
            fail("a head's name is empty, or holds a comma, a tab or a line break");
        }
        const HeadDefinition found = find_head(head);
        if (found.task != task) fail("'{}' is a head for {}, not for {}", head, found.task, task);
        if (!names.insert(found.name).second) fail("two heads have the name {}", found.name);
        return head;
    };
}

/// Returns `text`. Throws Error unless it is a sum of at least two different members: BERT, or names of
/// `heads` without those that are a head for each layer.
std::string ensemble_of(const std::string& text, const std::vector<std::string>& heads) {
    std::vector<std::string> known{"BERT"};
    for (const std::string& head : heads) {
        if (const HeadDefinition found = find_head(head); !found.each_layer) known.push_back(found.name);
    }
    std::set<std::string> members;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find('+', begin), text.size());
        const std::string member = text.substr(begin, end - begin);
        if (std::find(known.begin(), known.end(), member) == known.end()) {
            fail(
                "'{}' is neither BERT nor a head of the study that reads all layers; the nearest one is '{}'",
                member, nearest(member, known));
        }
        if (!members.insert(member).second) fail("'{}' names {} twice", text, member);
        begin = end + 1;
    }
    if (members.size() < 2) fail("'{}' is one model; an ensemble is a sum, such as \"a_head+BERT\"", text);
    return text;
}

std::function<std::int64_t(const std::int64_t&)> at_least_whole(std::int64_t least) {
    return [least](const std::int64_t& value) {
        if (value < least) fail("found {}, expected a whole number, {} or more", value, least);
        return value;
    };
}

std::int64_t seed_of(const std::int64_t& value) {
    if (!within(0, kLargestSeed).includes(static_cast<double>(value)))
        fail("found {}, expected a whole number from 0 to {:.0f}", value, kLargestSeed);
    return value;
}

/// Reads the experiments of the study, whose epochs and heads are known already.
void read_experiments(StudyReader& table, Study& study) {
    study.shares = table.list<double>("shares", [](const double& share) {
        if (!(share > 0 && share <= 1)) fail("found {}, expected a number above 0 and at most 1", share);
        return share;
    });
    std::erase(study.shares, 1.0);  // heads are trained on all questions anyway
    study.layer_subsets = table.list<std::string>("layer_subsets", [&](const std::string& text) {
        const Layers layers = parse_layers(text);
        if (!layers) fail("found 'all', but heads are trained on all stored layers anyway");
        for (const std::int64_t layer : *layers) require_stored(study, layer);
        return *layers;
    });
    table.truth("layer_atlas", study.layer_atlas);
    table.truth("shuffled_labels", study.shuffled_labels);
    study.mixed =
        table.list<std::string>("mixed", [&](const std::string& text) { return parse_mixed(text, study); });
    study.span_ensembles = table.list<std::string>(
        "span_ensembles", [&](const std::string& text) { return ensemble_of(text, study.span_heads); });
    study.classification_ensembles = table.list<std::string>(
        "classification_ensembles",
        [&](const std::string& text) { return ensemble_of(text, study.classification_heads); });
}

void read_table(StudyReader table, Study& study) {
    const auto tasks =
        table.list<std::string>("tasks", [](const std::string& task) { return parse<Task>(task); });
    if (!tasks.empty()) study.tasks = tasks;
    table.one<std::int64_t>("seed", study.corpus_seed, seed_of);
    study.seeds = {static_cast<std::uint64_t>(study.corpus_seed)};
    const auto seeds = table.list<std::int64_t>("seeds", seed_of);
    if (!seeds.empty()) study.seeds.assign(seeds.begin(), seeds.end());
    study.states_at = table.list<std::string>("states_at", [&](const std::string& text) {
        const EpochFraction epoch = EpochFraction::parse(text);
        require_checkpoint(study, epoch);
        return epoch;
    });
    study.span_heads = table.list<std::string>("span_heads", head_for(Task::span));
    study.classification_heads =
        table.list<std::string>("classification_heads", head_for(Task::classification));
    table.truth("keep_stores", study.keep_stores);
    table.one<double>("hold_out", study.hold_out, [](const double& share) {
        if (!(share >= 0 && share < 1)) fail("found {}, expected a number from 0 to below 1", share);
    });
    table.one<std::int64_t>("corpus_train", study.corpus_train, at_least_whole(1));
    table.one<std::int64_t>("corpus_dev", study.corpus_dev, at_least_whole(1));
    read_experiments(table, study);
    table.require_no_other_keys();
}

/// Throws Error if the study's [train] chooses states, questions or labels for all heads. The study chooses
/// them for each experiment, and finds the results by the folders of these choices.
void require_own_variants(const TrainOptions& heads, const std::string& file) {
    struct Choice {
        const char* key;
        bool made;
        const char* of_study;
    };
    for (const Choice& choice : {Choice{"layers", parse_layers(heads.layers).has_value(), "layer_subsets"},
                                 Choice{"share", heads.shares != TrainOptions().shares, "shares"},
                                 Choice{"shuffle_labels", heads.shuffle_labels, "shuffled_labels"}}) {
        if (choice.made)
            fail("{}: [train] {} is given; in a study, [study] {} takes its place", file, choice.key,
                 choice.of_study);
    }
}

/// Throws Error if the study's [eval] chooses answers in another way than bv_train does for heads: their
/// scores could not be compared.
void require_answers_of_heads(const AnswerOptions& answers, const std::string& file) {
    const AnswerOptions heads;
    struct Choice {
        const char* key;
        bool made;
    };
    for (const Choice& choice :
         {Choice{"n_best", answers.n_best != heads.n_best},
          Choice{"max_answer_tokens", answers.max_answer_tokens != heads.max_answer_tokens},
          Choice{"null_threshold", answers.null_threshold != heads.null_threshold}}) {
        if (choice.made)
            fail(
                "{}: [eval] {} is given, but bv_train scores heads without it, so BERT and heads could not "
                "be compared; leave it out, and evaluate with it by hand",
                file, choice.key);
    }
}

/// `text` as a quoted word for a shell.
std::string quoted(std::string text) {
    for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) {
        text.replace(at, 1, R"('\'')");
    }
    return fmt::format("'{}'", text);
}

/// `values` as a list for a shell.
std::string shell_list(const auto& values, const auto& text_of) {
    std::vector<std::string> words;
    for (const auto& value : values) words.push_back(quoted(text_of(value)));
    return fmt::format("({})", fmt::join(words, " "));
}
std::string shell_list(const auto& values) {
    return shell_list(values, [](const auto& value) { return fmt::format("{}", value); });
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
    study.layers = parse_layers(states.layers);
    const auto heads = options_of<TrainOptions>("bv_train", path, {"heads", "output"});
    study.learning_rates = heads.learning_rates;
    study.span_head_epochs = heads.epochs > 0 ? heads.epochs : default_head_epochs(Task::span);
    study.classification_head_epochs =
        heads.epochs > 0 ? heads.epochs : default_head_epochs(Task::classification);
    const toml::table all = parse_toml(read_file(path), file);
    if (const toml::table* table = all["study"].as_table()) read_table(StudyReader(*table, file), study);
    if (study.hold_out > 0 && heads.held_out > 0) {
        fail(
            "{}: [study] hold_out and [train] held_out are given; the heads of a study with hold_out are "
            "judged on its held-out questions, so leave out [train] held_out",
            file);
    }
    require_own_variants(heads, file);
    const bool has_heads =
        !study.span_heads.empty() || !study.classification_heads.empty() || study.layer_atlas;
    const auto scoring = options_of<EvalOptions>("bv_eval", path, {});
    if (has_heads && !study.states_at.empty()) require_answers_of_heads(scoring.answers, file);
    return study;
}

void require_states(const Study& study, const BertConfig& config) {
    layers_of_model(study.layers, config.states());
    for (const std::vector<std::int64_t>& subset : study.layer_subsets)
        layers_of_model(subset, config.states());
}

std::string shell_text(const Study& study) {
    std::string text;
    const auto add = [&](const char* key, const std::string& value) {
        text += fmt::format("study_{}={}\n", key, value);
    };
    const auto truth = [](bool value) { return quoted(value ? "1" : ""); };
    add("tasks", shell_list(study.tasks, [](Task task) { return to_string(task); }));
    add("seed", quoted(std::to_string(study.corpus_seed)));
    add("seeds", shell_list(study.seeds));
    add("checkpoints", shell_list(study.checkpoints, [](const auto& epoch) { return epoch.label(); }));
    add("learning_rates", shell_list(study.learning_rates));
    add("states_at", shell_list(study.states_at, [](const auto& epoch) { return epoch.label(); }));
    add("span_heads", shell_list(study.span_heads));
    add("classification_heads", shell_list(study.classification_heads));
    add("keep_stores", truth(study.keep_stores));
    add("hold_out", quoted(study.hold_out > 0 ? fmt::format("{}", study.hold_out) : ""));
    add("corpus_train", quoted(std::to_string(study.corpus_train)));
    add("corpus_dev", quoted(std::to_string(study.corpus_dev)));
    add("shares", shell_list(study.shares));
    add("layer_subsets",
        shell_list(study.layer_subsets, [](const auto& subset) { return layers_text(subset); }));
    add("layer_atlas", truth(study.layer_atlas));
    add("shuffled_labels", truth(study.shuffled_labels));
    add("mixed", shell_list(study.mixed, [](const auto& pair) {
            return pair.trained.label() + ":" + pair.scored.label();
        }));
    add("span_ensembles", shell_list(study.span_ensembles));
    add("classification_ensembles", shell_list(study.classification_ensembles));
    add("stored_layers", quoted(study.layers ? std::to_string(study.layers->size()) : ""));
    return text;
}

}  // namespace bv
