#include "stages/head_files.hpp"

#include <variant>

#include "core/error.hpp"
#include "core/files.hpp"
#include "stages/tuning_recipe.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kMarker = "metrics.json";
constexpr const char* kStates = "resume";

fs::path recipe_path(const fs::path& folder) {
    return folder / kStates / "recipe.json";
}

}  // namespace

void HeadFiles::begin(const Json& recipe, const std::string& config, const Json& lines) {
    fs::remove(folder_ / kMarker);
    if (lines.is_null()) remove_resume_states(folder_ / kStates);
    write_file(recipe_path(folder_), recipe.dump(2) + "\n");
    write_file(folder_ / "config.toml", config);
    std::string earlier;
    for (const Json& line : lines) earlier += line.dump() + "\n";
    metrics_.emplace(folder_ / "metrics.jsonl", earlier);
}

void HeadFiles::write_head(const Head& head, std::int64_t k, const HeadOrigin& origin,
                           const Logits& logits) const {
    save_head(folder_, head, k, origin);
    std::visit([&](const auto& own) { write_logits(folder_ / "logits.safetensors", own); }, logits);
}

void HeadFiles::remove_head() const {
    for (const char* name : {"head.safetensors", "head.json", "logits.safetensors"})
        fs::remove(folder_ / name);
}

void HeadFiles::write_state(const ResumeState& state) const {
    write_resume_state(folder_ / kStates, state);
}

void HeadFiles::keep_state(std::int64_t steps) const {
    remove_resume_states(folder_ / kStates, steps);
}

void HeadFiles::finish(const nlohmann::ordered_json& metrics) const {
    write_file(folder_ / kMarker, metrics.dump(2) + "\n");
    remove_resume_states(folder_ / kStates);
}

EarlierHeadRun find_earlier_head_run(const fs::path& folder, const Json& recipe, bool force) {
    const bool finished = fs::exists(folder / kMarker);
    if (!fs::exists(recipe_path(folder))) {
        require_absent(folder / kMarker, force);
        return {};
    }
    const Json there = Json::parse(read_file(recipe_path(folder)), nullptr, false);
    const std::string difference = difference_of(there.is_object() ? there : Json::object(), recipe);
    if (!difference.empty()) {
        if (!force) {
            fail("{} belongs to another run: {}; --force replaces it", folder.string(), difference);
        }
        return {};
    }
    if (finished) return {.finished = !force};
    const auto state = newest_resume_state(folder / kStates);
    return {.steps = state ? state->step : 0};
}

std::optional<ResumeState> read_head_state(const fs::path& folder, std::int64_t steps) {
    auto state = newest_resume_state(folder / kStates, steps);
    if (state && state->step != steps) state.reset();
    return state;
}

}  // namespace bv
