#include "optim/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/json.hpp"
#include "core/seal.hpp"
#include "core/whole_folder.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kFormat = 1;

constexpr const char* kMarker = "checkpoint.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kFiles = "files";  // name and fingerprint of each but the two above

Json to_json(const CheckpointInfo& info) {
    Json object{{"format", kFormat},
                {"epoch", info.epoch.text()},
                {"step", info.step},
                {"steps_per_epoch", info.steps_per_epoch},
                {"seed", info.seed},
                {"task", info.task},
                {"data_fingerprint", info.data_fingerprint},
                {"model_fingerprint", info.model_fingerprint},
                {"started_from", info.started_from},
                {"config", info.config}};
    if (!info.precision.empty()) object["precision"] = info.precision;
    return object;
}

Json fingerprints_of_files(const fs::path& folder) {
    Json files = Json::object();
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        if (name != kWeights) files[name] = fingerprint(MappedFile(entry.path()).bytes());
    }
    return files;
}

/// Checkpoints of older programs name no files.
void require_files(const Json& object, const fs::path& folder, const std::string& marker) {
    const Json files = object.value(kFiles, Json::object());
    for (const auto& [name, promised] : files.items()) {
        const std::string found = fingerprint(MappedFile(folder / name).bytes());
        if (promised != found) {
            fail(
                "{}: it is damaged or was changed: its fingerprint is {}, {} says {}; where the change was "
                "meant, delete the keys '{}' and '{}' there",
                (folder / name).string(), found, marker, promised.dump(), kFiles, kSeal);
        }
    }
}

/// The value of `key`, which must be a string (T a string) or a whole number not below 0 (T an integer).
template <class T>
T value_of(const Json& object, const char* key, const std::string& file) {
    constexpr bool kWantsText = std::is_same_v<T, std::string>;
    const char* expected = kWantsText ? "a string" : "a whole number, 0 or more";
    const auto found = object.find(key);
    if (found == object.end()) fail("{}: key '{}' is missing; expected {}", file, key, expected);
    const bool fits = kWantsText ? found->is_string() : found->is_number_unsigned();
    if (!fits) fail("{}: key '{}' is {}; expected {}", file, key, found->dump(), expected);
    return found->get<T>();
}

CheckpointInfo from_json(const Json& object, const std::string& file) {
    const auto format = value_of<std::int64_t>(object, "format", file);
    if (format != kFormat) fail("{}: key 'format' is {}; this program reads {}", file, format, kFormat);
    CheckpointInfo info;
    const auto epoch = value_of<std::string>(object, "epoch", file);
    try {
        info.epoch = EpochFraction::parse(epoch);
    } catch (const Error& wrong) {
        fail("{}: key 'epoch': {}", file, wrong.what());
    }
    info.step = value_of<std::int64_t>(object, "step", file);
    info.steps_per_epoch = value_of<std::int64_t>(object, "steps_per_epoch", file);
    info.seed = value_of<std::uint64_t>(object, "seed", file);
    info.task = value_of<std::string>(object, "task", file);
    info.data_fingerprint = value_of<std::string>(object, "data_fingerprint", file);
    info.model_fingerprint = value_of<std::string>(object, "model_fingerprint", file);
    info.started_from = value_of<std::string>(object, "started_from", file);
    info.config = value_of<std::string>(object, "config", file);
    if (object.contains("precision")) info.precision = value_of<std::string>(object, "precision", file);
    return info;
}

}  // namespace

CheckpointInfo write_checkpoint(const fs::path& folder, CheckpointInfo info,
                                const std::function<void(const fs::path&)>& write_model) {
    write_whole_folder(folder, kMarker, [&](const fs::path& path) {
        write_model(path);
        info.model_fingerprint = fingerprint(MappedFile(path / kWeights).bytes());
        Json json = to_json(info);
        json[kFiles] = fingerprints_of_files(path);
        json[kSeal] = seal_of(json);
        return json.dump(2) + "\n";
    });
    return info;
}

std::optional<CheckpointInfo> read_checkpoint(const fs::path& folder) {
    if (!fs::is_directory(folder)) fail("there is no model folder {}", folder.string());
    if (!is_whole(folder)) return std::nullopt;
    const std::string file = (folder / kMarker).string();
    const Json object = read_json(file);
    if (!object.is_object()) fail("{}: expected a JSON object", file);
    require_seal(object, file);
    CheckpointInfo info = from_json(object, file);
    require_files(object, folder, file);
    return info;
}

void require_weights(const fs::path& folder, const std::string& found) {
    const auto info = read_checkpoint(folder);
    if (!info || info->model_fingerprint == found) return;
    fail(
        "{}: its weights are damaged or were changed: their fingerprint is {}, {} says {}; where the change "
        "was meant, delete {}, and it is a Hugging Face folder like any other",
        folder.string(), found, kMarker, info->model_fingerprint, kMarker);
}

bool is_whole(const fs::path& folder) {
    return fs::is_regular_file(folder / kMarker);
}

}  // namespace bv
