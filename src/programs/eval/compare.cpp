#include "programs/eval/compare.hpp"

#include <cmath>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/standard_streams.hpp"
#include "io/json.hpp"
#include "io/paths.hpp"
#include "squad/scoring/paired_bootstrap.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Pointer = nlohmann::json::json_pointer;

/// One of the two evaluations.
struct Evaluated {
    fs::path file;  ///< its metrics.json
    QuestionRecords records;
    double exact = 0;  ///< EM as metrics.json has it
};

Evaluated read_evaluation(const fs::path& path) {
    Evaluated one{metrics_file(path), {}, 0};
    const nlohmann::json metrics = read_json(one.file);
    const fs::path records = one.file.parent_path() / kQuestionRecords;
    if (!is_there(records)) {
        fail(
            "{}: the file {} is missing beside it. These scores were made from a file of predictions, or "
            "the file was deleted. Evaluate again",
            one.file.string(), kQuestionRecords);
    }
    one.records = read_question_records(records);
    if (one.records.count() == 0) fail("{}: it holds no questions", records.string());
    if (!one.records.labelled()) fail("{}: its questions have no gold answers", records.string());
    const Pointer exact(one.records.task == Task::span ? "/official/exact" : "/classification/exact");
    if (!metrics.is_object() || !metrics.contains(exact) || !metrics[exact].is_number())
        fail("{}: it has no number '{}'", one.file.string(), exact.to_string());
    one.exact = metrics[exact].get<double>();
    return one;
}

void require_comparable(const Evaluated& a, const Evaluated& b) {
    if (a.records.task != b.records.task) {
        fail("{} is of the task {}, {} of the task {}", a.file.string(), a.records.task, b.file.string(),
             b.records.task);
    }
    if (a.records.features != b.records.features) {
        fail(
            "{} is of the features {}, {} of the features {}: only answers to the same questions can be "
            "compared",
            a.file.string(), a.records.features, b.file.string(), b.records.features);
    }
}

const char* name_of_exact(Task task) {
    return task == Task::span ? "EM" : "accuracy";
}

/// Throws Error if the records give another EM or accuracy than the metrics.json beside them.
void require_scores(const Evaluated& one, double exact) {
    if (std::abs(one.exact - exact) < 1e-6) return;
    fail("{} says {} {:.4f}, but {} beside it gives {:.4f}: they are of different evaluations",
         one.file.string(), name_of_exact(one.records.task), one.exact, kQuestionRecords, exact);
}

std::string verdict(const PairedComparison& found, Task task) {
    if (found.has_few_contexts())
        return fmt::format(
            "{} paragraphs are too few to show whether the difference is noise: at least {} "
            "are needed.",
            found.contexts, kFewestContexts);
    const std::string exact = name_of_exact(task);
    if (found.exact.in_noise() && found.f1.in_noise())
        return "The difference is not distinguishable from noise: both 95 % intervals hold 0.";
    if (!found.exact.in_noise() && !found.f1.in_noise())
        return "The difference is distinguishable from noise: neither 95 % interval holds 0.";
    const bool by_f1 = found.exact.in_noise();
    return fmt::format(
        "The difference is distinguishable from noise in {} alone: the 95 % interval of {} "
        "holds 0.",
        by_f1 ? "F1" : exact, by_f1 ? exact : "F1");
}

/// `has_p` says whether the p value means anything.
Json json_of(const ScoreDifference& score, bool has_p) {
    return {{"a", score.a},     {"b", score.b},       {"difference", score.difference()},
            {"low", score.low}, {"high", score.high}, {"p", has_p ? Json(score.p) : Json()}};
}

std::string text_of(const std::string& name, const ScoreDifference& score, bool has_p) {
    return fmt::format("{:<9} {:>7.2f} {:>7.2f} {:>+7.2f}   {:+.2f} to {:+.2f}   {}\n", name, score.a,
                       score.b, score.difference(), score.low, score.high,
                       has_p ? fmt::format("{:.4f}", score.p) : "-");
}

}  // namespace

fs::path metrics_file(const fs::path& path) {
    return is_folder(path) ? path / "metrics.json" : path;
}

void compare(const EvalOptions& options) {
    const Evaluated a = read_evaluation(options.compare[0]);
    const Evaluated b = read_evaluation(options.compare[1]);
    require_comparable(a, b);
    const PairedComparison found = paired_bootstrap(a.records, b.records);
    require_scores(a, found.exact.a);
    require_scores(b, found.exact.b);
    const Task task = a.records.task;
    const bool has_p = !found.has_few_contexts();
    if (options.json) {
        const Json whole{{"a", a.file.string()},
                         {"b", b.file.string()},
                         {"task", to_string(task)},
                         {"features", a.records.features},
                         {"questions", found.questions},
                         {"contexts", found.contexts},
                         {"resamples", kResamples},
                         {"seed", kBootstrapSeed},
                         {"exact", json_of(found.exact, has_p)},
                         {"f1", json_of(found.f1, has_p)},
                         {"verdict", verdict(found, task)}};
        return print_results(whole.dump(2) + "\n");
    }
    std::string text = fmt::format("A  {}\nB  {}\n\n", a.file.string(), b.file.string());
    text += fmt::format("{:<9} {:>7} {:>7} {:>7}   95 % interval   p\n", "", "A", "B", "B - A");
    text += text_of(name_of_exact(task), found.exact, has_p) + text_of("F1", found.f1, has_p);
    text += fmt::format("\n{}\n{} questions on {} paragraphs; {} resamples of whole paragraphs\n",
                        verdict(found, task), found.questions, found.contexts, kResamples);
    print_results(text);
}

}  // namespace bv
