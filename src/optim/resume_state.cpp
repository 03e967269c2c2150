#include "optim/resume_state.hpp"

#include <map>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "core/whole_folder.hpp"
#include "optim/tensor_files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kMarker = "resume.json";
constexpr const char* kTensors = "state.safetensors";

fs::path place_of(const fs::path& folder, std::int64_t step) {
    return folder / ("step-" + std::to_string(step));
}

/// Everything in `folder` that is, or has begun to be, a state: by name.
std::vector<fs::path> states_in(const fs::path& folder) {
    std::vector<fs::path> states;
    if (!fs::is_directory(folder)) return states;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().filename().string().starts_with("step-")) states.push_back(entry.path());
    }
    return states;
}

/// Throws Error or Json::exception where the state is damaged.
ResumeState read(const fs::path& folder) {
    const Json marker = Json::parse(read_file(folder / kMarker));
    const fs::path path = folder / kTensors;
    if (fingerprint(MappedFile(path).bytes()) != marker.at("fingerprint").get<std::string>()) {
        fail("{} is not what was written", path.string());
    }
    auto tensors = load_tensors(path);
    return {marker.at("step").get<std::int64_t>(), marker.at("totals").dump(),   tensors.at("values"),
            tensors.at("first_moments"),           tensors.at("second_moments"), tensors["buffers"]};
}

}  // namespace

void write_resume_state(const fs::path& folder, const ResumeState& state) {
    write_whole_folder(place_of(folder, state.step), kMarker, [&](const fs::path& path) {
        std::map<std::string, at::Tensor> tensors{{"values", state.values},
                                                  {"first_moments", state.first_moments},
                                                  {"second_moments", state.second_moments}};
        if (state.buffers.defined()) tensors["buffers"] = state.buffers;
        save_tensors(path / kTensors, tensors);
        return Json{{"step", state.step},
                    {"totals", Json::parse(state.totals)},
                    {"fingerprint", fingerprint(MappedFile(path / kTensors).bytes())}}
                   .dump(2) +
               "\n";
    });
}

std::optional<ResumeState> newest_resume_state(const fs::path& folder, std::int64_t at_most) {
    std::optional<ResumeState> newest;
    for (const fs::path& path : states_in(folder)) {
        if (!fs::exists(path / kMarker)) continue;
        try {
            ResumeState state = read(path);
            if (state.step <= at_most && (!newest || state.step > newest->step)) newest = std::move(state);
        } catch (const std::exception& damage) {
            spdlog::warn("{} is damaged and passed over: {}", path.string(), damage.what());
        }
    }
    return newest;
}

void remove_resume_states(const fs::path& folder, std::optional<std::int64_t> kept) {
    for (const fs::path& path : states_in(folder)) {
        if (!kept || path != place_of(folder, *kept)) remove_whole_folder(path, kMarker);
    }
}

}  // namespace bv
