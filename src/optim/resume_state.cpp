#include "optim/resume_state.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/atomic_folder.hpp"
#include "io/descriptor.hpp"
#include "io/files.hpp"
#include "io/json.hpp"
#include "io/json_file.hpp"
#include "io/paths.hpp"
#include "io/seal.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kStateMarker = "resume.json";
constexpr const char* kTensors = "state.safetensors";
constexpr std::string_view kName = "step-";

fs::path place_of(const fs::path& folder, std::int64_t step) {
    return folder / (std::string(kName) + std::to_string(step));
}

fs::path prepared_place_of(const fs::path& folder, std::int64_t step) {
    return place_of(folder, step) += ".prepared";
}

/// The names of everything in `folder` that is a state or the beginning of one.
std::vector<fs::path> states_in(const fs::path& folder) {
    std::vector<fs::path> states;
    if (!is_folder(folder)) return states;
    for (const fs::path& path : entries_of(folder)) {
        if (path.filename().string().starts_with(kName)) states.push_back(path);
    }
    return states;
}

/// The numbers of steps of the states in `folder`, as their names say, largest first.
std::vector<std::int64_t> steps_in(const fs::path& folder) {
    std::vector<std::int64_t> steps;
    for (const fs::path& path : states_in(folder)) {
        const std::string number = path.filename().string().substr(kName.size());
        std::int64_t step = 0;
        const auto [end, wrong] = std::from_chars(number.data(), number.data() + number.size(), step);
        const bool named = wrong == std::errc() && end == number.data() + number.size();
        if (named && is_there(path / kStateMarker)) steps.push_back(step);
    }
    std::sort(steps.begin(), steps.end(), std::greater<>());
    return steps;
}

/// A file of a state could be read, or is missing, and the state is not as it was written. Every other Error
/// leaves open whether the state is whole: its files may be readable again later.
class Damaged : public Error {
  public:
    using Error::Error;
};

/// The result of `check`, which reads no file. Throws its Error as Damaged.
template <class Check>
auto checked(const Check& check) {
    try {
        return check();
    } catch (const Error& wrong) {
        throw Damaged(wrong.what());
    }
}

/// Throws Error, which gives the system's reason, unless the file at `path` can be read to its end. A disk
/// that fails under a mapped file would end the process.
void require_readable(const fs::path& path) {
    std::vector<char> buffer(std::size_t{1} << 20);
    const Descriptor file(path, O_RDONLY);
    ssize_t bytes = file.ok() ? 1 : -1;
    while (file.ok() && (bytes > 0 || (bytes < 0 && errno == EINTR)))
        bytes = ::read(file.get(), buffer.data(), buffer.size());
    if (bytes < 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
}

/// The facts in a state's marker.
struct Marker {
    std::string totals;
    std::string fingerprint;  ///< of the tensors' file
};

Marker read_marker(const fs::path& path, std::int64_t step) {
    require_readable(path);
    const std::string text = read_file(path);
    return checked([&]() -> Marker {
        const JsonFile file(parse_json(text, path.string()), path.string());
        require_seal(file);
        const JsonPlace marker = file.place();
        if (marker.get<std::int64_t>("step") != step) fail("{} belongs to another step", path.string());
        return {marker.at("totals").value().dump(), marker.get<std::string>("fingerprint")};
    });
}

/// The totals in the state's marker. Throws Damaged if any part of the state is not as it was written, and
/// another Error if a file cannot be read.
std::string checked_totals(const fs::path& state, std::int64_t step) {
    const Marker marker = read_marker(state / kStateMarker, step);
    const fs::path tensors = state / kTensors;
    if (!is_there(tensors)) throw Damaged(fmt::format("{} is missing", tensors.string()));
    require_readable(tensors);
    if (fingerprint(MappedFile(tensors).bytes()) != marker.fingerprint)
        throw Damaged(fmt::format("{} is not what was written", tensors.string()));
    return marker.totals;
}

/// The result of `read` for the newest state in `folder` for which `read` does not throw Damaged.
template <class Read>
auto of_newest(const fs::path& folder, const Read& read) {
    std::optional<decltype(read(std::int64_t{}))> found;
    for (const std::int64_t step : steps_in(folder)) {
        try {
            found.emplace(read(step));
            break;
        } catch (const Damaged& damage) {
            spdlog::warn("{} is damaged and is not used: {}", place_of(folder, step).string(), damage.what());
        }
    }
    return found;
}

void write_to(const fs::path& place, const ResumeState& state) {
    write_whole_folder(place, kStateMarker, [&](const fs::path& path) {
        std::map<std::string, at::Tensor> tensors{{"values", state.values},
                                                  {"first_moments", state.first_moments},
                                                  {"second_moments", state.second_moments}};
        if (state.buffers.defined()) tensors["buffers"] = state.buffers;
        Json marker{{"step", state.step},
                    {"totals", Json::parse(state.totals)},
                    {"fingerprint", save_tensors(path / kTensors, tensors)}};
        marker[kSeal] = seal_of(marker);
        return marker.dump(2) + "\n";
    });
}

}  // namespace

void write_resume_state(const fs::path& folder, const ResumeState& state) {
    write_to(place_of(folder, state.step), state);
}

void prepare_resume_state(const fs::path& folder, const ResumeState& state) {
    write_to(prepared_place_of(folder, state.step), state);
}

bool is_prepared(const fs::path& folder, std::int64_t step) {
    return is_there(prepared_place_of(folder, step) / kStateMarker);
}

void take_resume_state(const fs::path& folder, std::int64_t step) {
    const fs::path prepared = prepared_place_of(folder, step);
    const fs::path place = place_of(folder, step);
    if (is_prepared(folder, step)) {
        remove_whole_folder(place, kStateMarker);
        std::error_code wrong;
        fs::rename(prepared, place, wrong);
        if (wrong) fail("cannot rename {} to {}: {}", prepared.string(), place.string(), wrong.message());
        flush_to_disk(folder);
    }
    if (is_there(place / kStateMarker)) remove_resume_states(folder, step);
}

ResumeState read_resume_state(const fs::path& folder, std::int64_t step) {
    const fs::path state = place_of(folder, step);
    const std::string totals = checked_totals(state, step);
    auto tensors = load_tensors(state / kTensors);
    for (const char* name : {"values", "first_moments", "second_moments"}) {
        if (!tensors.contains(name))
            throw Damaged(fmt::format("{}: holds no tensor '{}'", (state / kTensors).string(), name));
    }
    return {step,
            totals,
            tensors["values"],
            tensors["first_moments"],
            tensors["second_moments"],
            tensors["buffers"]};
}

std::string read_resume_totals(const fs::path& folder, std::int64_t step) {
    return read_marker(place_of(folder, step) / kStateMarker, step).totals;
}

std::optional<ResumeState> newest_resume_state(const fs::path& folder) {
    return of_newest(folder, [&](std::int64_t step) { return read_resume_state(folder, step); });
}

std::optional<std::int64_t> newest_resume_step(const fs::path& folder) {
    return of_newest(folder, [&](std::int64_t step) {
        checked_totals(place_of(folder, step), step);
        return step;
    });
}

void remove_resume_states(const fs::path& folder, std::optional<std::int64_t> kept) {
    for (const fs::path& path : states_in(folder)) {
        if (!kept || path != place_of(folder, *kept)) remove_whole_folder(path, kStateMarker);
    }
}

}  // namespace bv
