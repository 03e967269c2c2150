#include "programs/prepare/command.hpp"

#include <algorithm>
#include <optional>

#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "io/files.hpp"
#include "io/output_lock.hpp"
#include "optim/checkpoint.hpp"
#include "squad/features/dataset.hpp"
#include "squad/features/feature_builder.hpp"
#include "squad/features/features_file.hpp"
#include "squad/features/known_files.hpp"
#include "squad/text/tokenizer.hpp"

namespace bv {
namespace {

void check_options(const PrepareOptions& options) {
    check_settings(options.settings);
    if (options.hold_out == 1)
        fail("--hold-out is 1, which would hold out all questions; expected less than 1");
    if ((options.hold_out > 0) != !options.hold_out_output.empty()) {
        fail("--hold-out and --hold-out-output go together; found {} alone",
             options.hold_out > 0 ? "--hold-out" : "--hold-out-output");
    }
}

/// Locks the outputs. Throws Error when one exists already and --force is not given.
std::vector<OutputLock> lock_outputs(const PrepareOptions& options) {
    std::vector<OutputLock> locks;
    for (const std::string& output : {options.output, options.hold_out_output}) {
        if (output.empty()) continue;
        locks.push_back(OutputLock::of_file(output));
        require_absent(output, options.force);
    }
    return locks;
}

/// (contexts) true for the paragraphs that are held out. Paragraphs are chosen in a seeded order until they
/// have at least `share` (0 to 1) of the questions.
std::vector<bool> held_out_contexts(const Dataset& dataset, double share, std::uint64_t seed) {
    std::vector<std::int64_t> questions_of(dataset.contexts.size());
    for (const Question& question : dataset.questions)
        ++questions_of[static_cast<std::size_t>(question.context)];
    std::vector<bool> held(dataset.contexts.size());
    std::int64_t chosen = 0;
    for (const std::int64_t context : epoch_order(seed, 0, static_cast<std::int64_t>(held.size()))) {
        if (static_cast<double>(chosen) >= share * static_cast<double>(dataset.questions.size())) break;
        held[static_cast<std::size_t>(context)] = true;
        chosen += questions_of[static_cast<std::size_t>(context)];
    }
    return held;
}

void limit_questions(Dataset& dataset, std::int64_t limit) {
    if (limit == 0 || limit >= static_cast<std::int64_t>(dataset.questions.size())) return;
    dataset.questions.resize(static_cast<std::size_t>(limit));
    std::vector<bool> used(dataset.contexts.size());
    for (const Question& question : dataset.questions)
        used[static_cast<std::size_t>(question.context)] = true;
    dataset = part_of(dataset, used);
}

void report(const std::string& path, const Features& features, std::size_t questions) {
    std::int64_t longest = 0;
    for (std::int64_t f = 0; f < features.count(); ++f) longest = std::max(longest, features.tokens_of(f));
    const auto unanswerable = std::ranges::count_if(
        features.questions, [](const Question& question) { return question.answers.empty(); });
    spdlog::info("{}: {} questions ({}), {} features, {} tokens ({:.1f} a feature, longest {})", path,
                 features.questions.size(),
                 features.labelled ? fmt::format("{} unanswerable", unanswerable) : "no labels",
                 features.count(), features.tokens(),
                 static_cast<double>(features.tokens()) /
                     static_cast<double>(std::max<std::int64_t>(features.count(), 1)),
                 longest);
    const std::size_t skipped = questions - features.questions.size();
    if (skipped > 0) {
        spdlog::warn(
            "{} questions left out, because the legacy rule does not find their answers; --unfound keep "
            "keeps them",
            skipped);
    }
}

/// If a file has the number of questions of a known file, compares its number of features with the published
/// number.
void check_known_count(const FeatureSettings& settings, std::size_t questions, std::int64_t features) {
    FeatureSettings published;
    published.vocabulary = settings.vocabulary;
    published.tokenizer = settings.tokenizer;
    if (settings != published) return;
    for (const KnownFile& known : {kSquadTrain, kSquadDev}) {
        if (questions != known.questions) continue;
        if (features == known.features) {
            spdlog::info("looks like {}: it has {} features, as published", known.name, features);
        } else {
            spdlog::warn("looks like {}, which has {} features with these settings; found {}", known.name,
                         known.features, features);
        }
    }
}

}  // namespace

void PrepareOptions::declare(CommandLine& line) {
    line.option("squad", squad, "SQuAD 1.1 or 2.0 JSON; without any answers it is a test set").required();
    line.option("model", model,
                "model folder with a tokenizer: vocab.txt or tokenizer.json, and the other files of the "
                "tokenizer")
        .required();
    line.option("output", output, "features file to write (HDF5)").required().output_file();
    line.option("max-tokens", settings.max_tokens,
                "largest number of tokens in a feature, including special tokens")
        .check(at_least(1));
    line.option("max-question-tokens", settings.max_question_tokens,
                "longer questions are cut to this many tokens")
        .check(at_least(1));
    line.option("stride", settings.stride,
                "distance or overlap of neighbouring windows, in tokens: see --stride-means")
        .check(at_least(0));
    line.option(
        "stride-means", settings.stride_means,
        "step: --stride is the distance from the start of a window to the start of the next (legacy); "
        "overlap: --stride is the number of tokens that two neighbouring windows share (run_qa)");
    line.option("label-rule", settings.label_rule,
                "how the tokens of an answer are found. legacy: by whitespace words, then by the tokens of "
                "the answer; offsets: by character offsets (run_qa)");
    line.option("unfound", unfound,
                "questions whose answer the legacy rule cannot find. skip: leave them out (for training); "
                "keep: label them by character offsets (for evaluation)");
    line.option("hold-out", hold_out, "share of the questions to hold out, in whole paragraphs")
        .check(within(0, 1));
    line.option("hold-out-output", hold_out_output, "features file for the held-out questions").output_file();
    line.option("seed", seed, "seed of the choice of held-out paragraphs");
    line.option(
            "limit", limit,
            "use only the first N questions of the file, which may all have an answer; 0 means all questions")
        .check(at_least(0));
    line.option("threads", threads, "number of threads; 0 means all cores that this process may run on")
        .check(within(0, kMostThreads));
    line.option("force", force, "replace existing outputs");
}

void prepare(const PrepareOptions& options, const CommandLine& line) {
    check_options(options);
    const std::vector<OutputLock> locks = lock_outputs(options);
    const int threads = options.threads > 0 ? options.threads : available_cores();
    const Tokenizer tokenizer(options.model);
    read_checkpoint(options.model);  // throws if it is a checkpoint whose tokenizer was changed
    Dataset dataset = read_squad(options.squad);
    const bool whole = options.limit == 0;
    limit_questions(dataset, options.limit);
    const std::size_t all_questions = dataset.questions.size();

    std::optional<Dataset> held_out;
    if (options.hold_out > 0) {
        std::vector<bool> held = held_out_contexts(dataset, options.hold_out, options.seed);
        held_out = part_of(dataset, held);
        held.flip();
        dataset = part_of(dataset, held);
        if (dataset.questions.empty()) {
            fail("--hold-out {} leaves no question of {} in {}", options.hold_out, all_questions,
                 options.squad);
        }
    }

    Progress progress(fmt::format("prepare ({} threads)", threads), "questions",
                      static_cast<std::int64_t>(all_questions));
    const auto make = [&](const Dataset& part) {
        Features made = make_features(part, tokenizer, options.settings, options.unfound, threads, progress);
        if (made.count() == 0) {
            fail(
                "{}: no feature is left of {} questions, because the legacy rule does not find their "
                "answers; --unfound keep keeps them",
                options.squad, part.questions.size());
        }
        return made;
    };
    const Features features = make(dataset);
    std::optional<Features> held_features;
    if (held_out) held_features = make(*held_out);
    progress.finish();

    const auto write = [&](const std::string& path, const Features& made, std::size_t questions) {
        write_features(path, made, options.force);
        write_file(path + ".toml", line.resolved());
        report(path, made, questions);
    };
    // The launchers take --output as the sign that both files are made, so it comes last.
    if (held_out) write(options.hold_out_output, *held_features, held_out->questions.size());
    write(options.output, features, dataset.questions.size());
    if (whole) {
        check_known_count(features.settings, all_questions,
                          features.count() + (held_features ? held_features->count() : 0));
    }
}

}  // namespace bv
