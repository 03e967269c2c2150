#include "programs/train/run_files.hpp"

#include <algorithm>
#include <ranges>
#include <set>
#include <string_view>
#include <variant>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/atomic_folder.hpp"
#include "io/files.hpp"
#include "io/json_file.hpp"
#include "io/paths.hpp"
#include "programs/shared/head_folder.hpp"
#include "programs/shared/recipe_file.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kMarker = kHeadMetrics;
constexpr const char* kStates = "resume";
constexpr const char* kRecord = "states-";
constexpr std::string_view kAside = "best-";  // folders in kStates, each for the head of an epoch
constexpr const char* kHeadFiles[] = {"head.json", "head.safetensors", "logits.safetensors",
                                      kQuestionRecords};

fs::path recipe_path(const fs::path& folder) {
    return folder / kStates / "recipe.json";
}

/// Moves the files of a head from `from` to `to`, as far as they exist, and flushes both folders to disk.
/// Throws Error, which names the paths.
void move_head(const fs::path& from, const fs::path& to) {
    bool moved = false;
    for (const char* name : kHeadFiles) {
        if (!is_there(from / name)) continue;
        std::error_code wrong;
        fs::create_directories(to, wrong);
        if (!wrong) fs::rename(from / name, to / name, wrong);
        if (wrong) fail("cannot move {} to {}: {}", (from / name).string(), to.string(), wrong.message());
        moved = true;
    }
    if (!moved) return;
    flush_to_disk(to);
    flush_to_disk(from);
}

/// The heads whose states after `step` steps count only together, as paths relative to the output folder.
struct Record {
    std::int64_t step;
    std::vector<std::string> heads;
};

std::string relative_name(const fs::path& folder, const fs::path& output) {
    return folder.lexically_relative(output).generic_string();
}

/// The beginning of the names of records whose first head is `head`. Jobs that train other heads into the
/// same folder have other records. The step follows in the name, because a record of an earlier step may
/// still be there: it stays until a job trains the rest of its heads.
std::string record_name(const std::string& head) {
    return kRecord + fingerprint(head) + "-";
}

Record read_record(const fs::path& path) {
    const JsonFile file(path);
    return {file.place().get<std::int64_t>("step"), file.place().get<std::vector<std::string>>("heads")};
}

/// Takes the states of those heads of the record that are in `ours`; this process holds their locks. Removes
/// the record when no state is left to take. If it is interrupted, it can be done again.
void carry_out(const Record& record, const std::set<std::string>& ours, const fs::path& output,
               const fs::path& path) {
    bool left = false;
    for (const std::string& head : record.heads) {
        const fs::path states = output / head / kStates;
        if (ours.contains(head)) take_resume_state(states, record.step);
        left = left || is_prepared(states, record.step);
    }
    if (!left) remove_file(path);
}

/// Whether a run has finished here, and the head is still there unless it diverged.
bool has_finished(const fs::path& folder) {
    if (!is_there(folder / kMarker)) return false;
    if (is_there(folder / kHeadFiles[0]) && is_there(folder / kHeadFiles[1])) return true;
    if (has_diverged(folder)) return true;
    spdlog::warn("{}: {} is there, but the head is not ({}, {}); it is trained again", folder.string(),
                 kMarker, kHeadFiles[0], kHeadFiles[1]);
    return false;
}

}  // namespace

void write_head_states(const fs::path& output, const std::vector<HeadState>& states) {
    Record record{states.front().state.step, {}};
    for (const HeadState& head : states) {
        BV_EXPECT(head.state.step == record.step);
        prepare_resume_state(head.folder / kStates, head.state);
        record.heads.push_back(relative_name(head.folder, output));
    }
    const fs::path path =
        output / (record_name(record.heads.front()) + std::to_string(record.step) + ".json");
    write_file(path, Json{{"step", record.step}, {"heads", record.heads}}.dump(2) + "\n");
    carry_out(record, {record.heads.begin(), record.heads.end()}, output, path);
}

void finish_head_states(const fs::path& output, const std::vector<fs::path>& folders) {
    if (!is_folder(output)) return;
    std::set<std::string> ours;
    std::set<std::string> our_names;
    for (const fs::path& folder : folders) {
        const auto [head, is_new] = ours.insert(relative_name(folder, output));
        our_names.insert(record_name(*head));
    }
    std::vector<fs::path> paths;
    for (const fs::path& path : entries_of(output)) {
        if (path.filename().string().starts_with(kRecord)) paths.push_back(path);
    }
    for (const fs::path& path : paths) {
        const std::string name = path.filename().string();
        if (path.extension() == ".partial" && our_names.contains(name.substr(0, name.rfind('-') + 1)))
            remove_file(path);
        if (path.extension() != ".json") continue;
        std::optional<Record> record;
        try {
            record = read_record(path);
        } catch (const Error&) {
            if (!is_there(path)) continue;  // another job has carried it out meanwhile
            throw;
        }
        const bool is_ours = std::any_of(record->heads.begin(), record->heads.end(),
                                         [&](const std::string& head) { return ours.contains(head); });
        if (is_ours) carry_out(*record, ours, output, path);
    }
}

fs::path HeadFiles::aside(std::int64_t epoch) const {
    return folder_ / kStates / (std::string(kAside) + std::to_string(epoch));
}

void HeadFiles::remove_asides(const std::vector<std::int64_t>& kept) const {
    if (!is_folder(folder_ / kStates)) return;
    for (const fs::path& path : entries_of(folder_ / kStates)) {
        const bool is_kept =
            std::ranges::any_of(kept, [&](std::int64_t epoch) { return path == aside(epoch); });
        if (path.filename().string().starts_with(kAside) && !is_kept)
            remove_whole_folder(path, kHeadFiles[0]);
    }
}

void HeadFiles::begin(const Json& recipe, const std::string& config, std::int64_t steps, const Json& lines,
                      std::int64_t best) {
    remove_file(folder_ / kMarker);
    move_head(aside(best), folder_);
    remove_asides({});
    written_ = best;
    of_states_ = {best, best};
    remove_resume_states(folder_ / kStates, steps);  // there is none after 0 steps
    write_file(recipe_path(folder_), recipe.dump(2) + "\n");
    write_file(folder_ / "config.toml", config);
    std::string earlier;
    for (const Json& line : lines) earlier += line.dump() + "\n";
    metrics_.emplace(folder_ / "metrics.jsonl", earlier);
}

void HeadFiles::write_head(const Head& head, std::int64_t k, const HeadOrigin& origin, const Logits& logits,
                           const QuestionRecords& records) {
    if (std::ranges::find(of_states_, written_) != of_states_.end() && written_ > 0) {
        remove_asides(of_states_);
        move_head(folder_, aside(written_));
        flush_to_disk(folder_ / kStates);
    }
    written_ = origin.epochs;
    save_head(folder_, head, k, origin);
    std::visit([&](const auto& own) { write_logits(folder_ / "logits.safetensors", own); }, logits);
    write_question_records(folder_ / kQuestionRecords, records);
}

void HeadFiles::remove_head() const {
    for (const char* name : kHeadFiles | std::views::reverse) remove_file(folder_ / name);
}

void HeadFiles::finish(const nlohmann::ordered_json& metrics) const {
    write_file(folder_ / kMarker, metrics.dump(2) + "\n");
    remove_states();
}

void HeadFiles::remove_states() const {
    remove_resume_states(folder_ / kStates);
    remove_asides({});
}

EarlierHeadRun find_earlier_head_run(const fs::path& folder, const Json& recipe, bool force) {
    const bool finished = has_finished(folder);
    if (!is_there(recipe_path(folder))) {
        require_absent(folder / kMarker, force);
        return {};
    }
    const std::string objection = objection_to(folder, recipe_path(folder), recipe);
    if (!objection.empty()) {
        if (!force) fail("{}; --force replaces it", objection);
        return {};
    }
    if (finished) return {.finished = !force};
    EarlierHeadRun run{.steps = newest_resume_step(folder / kStates).value_or(0),
                       .precision = recorded_precision(recipe_path(folder))};
    if (run.steps > 0) {
        const Json totals = Json::parse(read_resume_totals(folder / kStates, run.steps));
        run.scored = static_cast<std::int64_t>(totals.value("lines", Json::array()).size());
        run.group = totals.value("group", "");
    }
    return run;
}

ResumeState read_head_state(const fs::path& folder, std::int64_t steps) {
    return read_resume_state(folder / kStates, steps);
}

}  // namespace bv
