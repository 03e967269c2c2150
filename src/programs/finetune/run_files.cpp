#include "programs/finetune/run_files.hpp"

#include <algorithm>
#include <sstream>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"
#include "programs/shared/recipe_file.hpp"
#include "squad/text/tokenizer_files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path recipe_path(const fs::path& output) {
    return output / "resume" / "recipe.json";
}

/// The number of steps after which a line of the log was written. No value when the line names no step.
std::optional<std::int64_t> step_of(const Json& line) {
    if (!line.is_object()) return {};
    const Json& about = line.contains("evaluation") ? line["evaluation"] : line;
    if (!about.is_object() || !about.contains("step") || !about["step"].is_number_integer()) return {};
    return about["step"].get<std::int64_t>();
}

fs::path log_path(const fs::path& output) {
    return output / "metrics" / "finetune.jsonl";
}

/// What the log of a run tells.
struct Log {
    bool there = false;
    bool done = false;  ///< its last line is the summary
    bool has_evaluation = false;
    std::int64_t steps = 0;  ///< the largest step of its lines
};

Log read_log(const fs::path& output) {
    Log log;
    log.there = is_there(log_path(output));
    if (!log.there) return log;
    std::istringstream lines(read_file(log_path(output)));
    for (std::string text; std::getline(lines, text);) {
        const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
        log.done = line.is_object() && line.value("done", Json()) == true;
        log.has_evaluation = log.has_evaluation || (line.is_object() && line.contains("evaluation"));
        log.steps = std::max(log.steps, step_of(line).value_or(0));
    }
    return log;
}

/// The lines of the log `path` up to step `steps`. They include the evaluation after that step, as does the
/// state after that step. A line that a crash cut short is left out.
std::string lines_until(const fs::path& path, std::int64_t steps) {
    if (steps == 0 || !is_there(path)) return "";
    std::string kept;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
        const auto step = step_of(Json::parse(line, nullptr, /*allow_exceptions=*/false));
        if (step && *step <= steps) kept += line + "\n";
    }
    return kept;
}

/// The tokenizer's files in the folder `model`: their names and contents.
std::vector<std::pair<std::string, std::string>> tokenizer_in(const fs::path& model) {
    std::vector<std::pair<std::string, std::string>> files;
    for (const char* name : kTokenizerFiles) {
        if (is_there(model / name)) files.emplace_back(name, read_file(model / name));
    }
    return files;
}

fs::path checkpoint_folder(const fs::path& output, const EpochFraction& epoch) {
    return output / "checkpoints" / epoch.folder_name();
}

/// The folders of all checkpoints in `output`, sorted. What a killed run only began is none.
std::vector<fs::path> checkpoints_in(const fs::path& output) {
    std::vector<fs::path> found;
    if (!is_folder(output / "checkpoints")) return found;
    for (const fs::path& path : entries_of(output / "checkpoints")) {
        if (path.filename().string().starts_with("epoch-") && path.extension() != ".partial")
            found.push_back(path);
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// Local: does the work of find_earlier_run on rank 0.
EarlierRun earlier_run_in(const fs::path& output, const WantedRun& wanted) {
    EarlierRun run;
    if (wanted.resume != ResumeRule::never && is_there(recipe_path(output))) {
        const std::string objection = objection_to(output, recipe_path(output), wanted.recipe);
        if (objection.empty()) {
            const bool all_whole = std::all_of(
                wanted.plan.begin(), wanted.plan.end(),
                [&](const EpochFraction& epoch) { return is_whole(checkpoint_folder(output, epoch)); });
            // The last checkpoint is evaluated after it was written, and the summary comes last. A log with
            // later steps is that of a longer run. Only a user can have removed the log.
            const Log log = read_log(output);
            run.finished = all_whole && (!log.there || log.done || log.steps > wanted.last_step);
            run.evaluated = log.has_evaluation;
            if (run.finished && !log.there)
                spdlog::warn("{} is missing; only --force makes it again, by training",
                             log_path(output).string());
            if (!run.finished) {
                run.state = newest_resume_state(output / "resume");
                run.precision = recorded_precision(recipe_path(output));
            }
            if (run.state) run.finished = log.done && wanted.stopped_early(*run.state);
            if (all_whole && !run.finished) {
                spdlog::warn(
                    "{}: all checkpoints are there, but the end of the log is missing, because the run was "
                    "killed: it goes on {}, and the checkpoints stay",
                    output.string(),
                    run.state ? fmt::format("after step {}", run.state->step) : "from the beginning");
            }
            if (!run.finished && !run.state && wanted.resume == ResumeRule::must) {
                fail("--resume must: {} holds no whole state", (output / "resume").string());
            }
            if (!(run.finished && wanted.force)) return run;  // these checkpoints belong to this run
            return {.replaces = true};
        }
        if (wanted.resume == ResumeRule::must || !wanted.force) {
            fail("{}; {}--force starts anew; or name another --output", objection,
                 wanted.resume == ResumeRule::must ? "without --resume must, " : "");
        }
    }
    if (wanted.resume == ResumeRule::must)
        fail("--resume must: there is no run to resume in {}", output.string());
    // Those of other epochs, too: they would pass for checkpoints of the recipe that is written now.
    for (const fs::path& folder : checkpoints_in(output)) require_absent(folder, wanted.force);
    return {.replaces = wanted.force};
}

}  // namespace

TuningFiles::TuningFiles(fs::path output, const fs::path& model, const Json& recipe, std::string config,
                         std::vector<EpochFraction> replaced)
    : output_(std::move(output)),
      tokenizer_(tokenizer_in(model)),
      recipe_(recipe),
      config_(std::move(config)),
      replaced_(std::move(replaced)) {}

void TuningFiles::begin(std::int64_t steps) {
    if (steps == 0) remove_resume_states(output_ / "resume");
    // If this run is interrupted, the old checkpoints would look like its own. The last one is removed first:
    // without it the others do not look like a finished run.
    for (auto epoch = replaced_.rbegin(); epoch != replaced_.rend(); ++epoch)
        remove_checkpoint(checkpoint_folder(output_, *epoch));
    // Those of other epochs would otherwise pass for checkpoints of the new recipe.
    if (!replaced_.empty() && is_folder(output_ / "checkpoints")) {
        for (const fs::path& folder : entries_of(output_ / "checkpoints")) {
            if (folder.filename().string().starts_with("epoch-")) remove_checkpoint(folder);
        }
    }
    write_file(recipe_path(output_), recipe_.dump(2) + "\n");
    metrics_.emplace(log_path(output_), lines_until(log_path(output_), steps));
    write_file(output_ / "finetune.toml", config_);
}

void TuningFiles::write_checkpoint(const CheckpointInfo& info, const Model& model) {
    wait();  // so that there are never two copies in memory
    const fs::path folder = checkpoint_folder(output_, info.epoch);
    // Stores and heads may have been made from it already. On other ranks its bits would be others.
    if (is_whole(folder)) {
        spdlog::info("checkpoint {} is there already and stays", folder.string());
        return;
    }
    background_.run([=, this, save = model.snapshot()] {
        bv::write_checkpoint(folder, info, [&](const fs::path& path) {
            for (const auto& [name, content] : tokenizer_) write_file(path / name, content);
            return save(path);
        });
        spdlog::info("checkpoint {} after {} steps", folder.string(), info.step);
    });
}

void TuningFiles::write_state(const std::function<ResumeState()>& copy) {
    wait();
    background_.run([this, state = copy()] {
        write_resume_state(output_ / "resume", state);
        remove_resume_states(output_ / "resume", state.step);
    });
}

void TuningFiles::finish(const Json& summary, bool keeps_state) {
    log(summary);
    flush_to_disk(log_path(output_));  // without states, the summary alone says that training is over
    if (!keeps_state) remove_resume_states(output_ / "resume");
}

EarlierRun find_earlier_run(const fs::path& output, const WantedRun& wanted, const Communicator& ranks) {
    EarlierRun run;
    Json found;
    ranks.root_only([&] {
        run = earlier_run_in(output, wanted);
        found = {{"finished", run.finished},
                 {"evaluated", run.evaluated},
                 {"has_state", run.state.has_value()},
                 {"precision", run.precision}};
        if (run.state) found.update({{"step", run.state->step}, {"totals", run.state->totals}});
    });
    found = Json::parse(ranks.broadcast(found.dump()));
    if (ranks.is_root()) return run;
    run.finished = found.at("finished");
    run.evaluated = found.at("evaluated");
    run.precision = found.at("precision");
    if (found.at("has_state")) run.state.emplace(ResumeState{found.at("step"), found.at("totals")});
    return run;
}

void require_passed_checkpoints(const fs::path& output, const std::vector<EpochFraction>& plan,
                                std::int64_t steps_per_epoch, std::int64_t step, const Communicator& ranks) {
    ranks.root_only([&] {
        for (const EpochFraction& epoch : plan) {
            const fs::path folder = checkpoint_folder(output, epoch);
            if (epoch.step(steps_per_epoch) > step || is_whole(folder)) continue;
            fail(
                "--checkpoints: epoch {} is reached after {} steps, but training would go on after {}, from "
                "the state in {}, and the checkpoint {} is missing or not whole; name only epochs that come "
                "later or have a checkpoint, or start from the beginning: --resume never --force removes the "
                "state and all checkpoints there",
                epoch.text(), epoch.step(steps_per_epoch), step, (output / "resume").string(),
                folder.string());
        }
    });
}

}  // namespace bv
