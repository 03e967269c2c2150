#include "optim/checkpoint.hpp"

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/files.hpp"
#include "io/json.hpp"
#include "io/json_file.hpp"
#include "io/paths.hpp"
#include "io/seal.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kFormat = 1;

constexpr const char* kMarker = "checkpoint.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kFiles = "files";  // fingerprint of every file except these two, by name

Json to_json(const CheckpointInfo& info) {
    Json object{{"format", kFormat},
                {"epoch", info.epoch.text()},
                {"step", info.step},
                {"steps_per_epoch", info.steps_per_epoch},
                {"seed", info.seed},
                {"task", to_string(info.task)},
                {"data_fingerprint", info.data_fingerprint},
                {"model_fingerprint", info.model_fingerprint},
                {"started_from", info.started_from},
                {"config", info.config},
                {"precision", info.precision}};
    if (!info.made.is_null()) object["made"] = info.made;
    return object;
}

Json fingerprints_of_files(const fs::path& folder) {
    Json files = Json::object();
    for (const fs::path& path : entries_of(folder)) {
        const std::string name = path.filename();
        if (name != kWeights) files[name] = fingerprint(MappedFile(path).bytes());
    }
    return files;
}

/// Throws Error unless each file that checkpoint.json names has its fingerprint. It names none if a user has
/// deleted kFiles to change a file on purpose.
void require_files(const JsonPlace& json, const fs::path& folder) {
    const Json files = json.value().value(kFiles, Json::object());
    for (const auto& [name, promised] : files.items()) {
        const std::string found = fingerprint(MappedFile(folder / name).bytes());
        if (promised != found) {
            fail(
                "{}: it is damaged or was changed: its fingerprint is {}, but {} says {}; if the change was "
                "intended, delete the keys '{}' and '{}' there",
                (folder / name).string(), found, json.file(), promised.dump(), kFiles, kSeal);
        }
    }
}

CheckpointInfo read_info(const JsonPlace& json) {
    const auto format = json.get<std::int64_t>("format");
    if (format != kFormat)
        fail("{}: key 'format' is {}; this program reads {}", json.file(), format, kFormat);
    CheckpointInfo info;
    const auto epoch = json.get<std::string>("epoch");
    try {
        info.epoch = EpochFraction::parse(epoch);
    } catch (const Error& wrong) {
        fail("{}: {}", json.at("epoch").name(), wrong.what());
    }
    info.step = json.whole("step", 0);
    info.steps_per_epoch = json.whole("steps_per_epoch", 0);
    info.seed = json.get<std::uint64_t>("seed");
    const auto known = find_word<Task>(json.get<std::string>("task"));
    if (!known) json.at("task").wrong("one of " + choices<Task>());
    info.task = *known;
    info.data_fingerprint = json.get<std::string>("data_fingerprint");
    info.model_fingerprint = json.get<std::string>("model_fingerprint");
    info.started_from = json.get<std::string>("started_from");
    info.config = json.get<std::string>("config");
    info.precision = json.get<std::string>("precision");
    return info;
}

}  // namespace

CheckpointInfo write_checkpoint(const fs::path& folder, CheckpointInfo info,
                                const std::function<std::string(const fs::path&)>& write_model) {
    write_whole_folder(folder, kMarker, [&](const fs::path& path) {
        info.model_fingerprint = write_model(path);
        Json json = to_json(info);
        json[kFiles] = fingerprints_of_files(path);
        json[kSeal] = seal_of(json);
        return json.dump(2) + "\n";
    });
    return info;
}

void remove_checkpoint(const fs::path& folder) {
    remove_whole_folder(folder, kMarker);
}

std::optional<CheckpointInfo> read_checkpoint(const fs::path& folder) {
    if (!is_folder(folder)) fail("there is no model folder {}", folder.string());
    if (!is_file(folder / kMarker)) return std::nullopt;
    const JsonFile file(folder / kMarker);
    require_seal(file);
    CheckpointInfo info = read_info(file.place());
    require_files(file.place(), folder);
    return info;
}

void require_weights(const fs::path& folder, const std::string& found) {
    const auto info = read_checkpoint(folder);
    if (!info || info->model_fingerprint == found) return;
    fail(
        "{}: its weights are damaged or were changed: their fingerprint is {}, but {} says {}; if the change "
        "was intended, delete {}: then the folder counts as an ordinary Hugging Face folder",
        folder.string(), found, kMarker, info->model_fingerprint, kMarker);
}

bool is_whole(const fs::path& folder) {
    if (!is_file(folder / kMarker) || !is_file(folder / kWeights)) return false;
    // If it cannot be read, it may be readable later. So only its content says whether it is damaged.
    const std::string text = read_file(folder / kMarker);
    Json files;
    try {
        const std::string name = (folder / kMarker).string();
        files = JsonFile(parse_json(text, name), name).place().value().value(kFiles, Json::object());
    } catch (const Error& damage) {
        spdlog::warn("not a whole checkpoint: {}", damage.what());
        return false;
    }
    if (!files.is_object()) return false;  // a user may have deleted it: then it is empty
    for (const auto& [name, fingerprint] : files.items()) {
        if (!is_file(folder / name)) return false;
    }
    return true;
}

}  // namespace bv
