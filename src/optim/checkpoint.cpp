#include "optim/checkpoint.hpp"

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/json_object.hpp"
#include "core/whole_folder.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kFormat = 1;

constexpr const char* kMarker = "checkpoint.json";
constexpr const char* kWeights = "model.safetensors";

Json to_json(const CheckpointInfo& info) {
    return {{"format", kFormat},
            {"epoch", info.epoch.text()},
            {"step", info.step},
            {"steps_per_epoch", info.steps_per_epoch},
            {"seed", info.seed},
            {"task", info.task},
            {"data_fingerprint", info.data_fingerprint},
            {"model_fingerprint", info.model_fingerprint},
            {"started_from", info.started_from},
            {"config", info.config}};
}

CheckpointInfo read_info(const JsonObject& json) {
    const auto format = json.get<std::int64_t>("format");
    if (format != kFormat) {
        fail("{}: key 'format' is {}; this program reads {}", json.name(), format, kFormat);
    }
    CheckpointInfo info;
    const auto epoch = json.get<std::string>("epoch");
    try {
        info.epoch = EpochFraction::parse(epoch);
    } catch (const Error& wrong) {
        fail("{}: key 'epoch': {}", json.name(), wrong.what());
    }
    info.step = json.whole("step", 0);
    info.steps_per_epoch = json.whole("steps_per_epoch", 0);
    info.seed = json.get<std::uint64_t>("seed");
    info.task = json.get<std::string>("task");
    info.data_fingerprint = json.get<std::string>("data_fingerprint");
    info.model_fingerprint = json.get<std::string>("model_fingerprint");
    info.started_from = json.get<std::string>("started_from");
    info.config = json.get<std::string>("config");
    return info;
}

}  // namespace

CheckpointInfo write_checkpoint(const fs::path& folder, CheckpointInfo info,
                                const std::function<void(const fs::path&)>& write_model) {
    write_whole_folder(folder, kMarker, [&](const fs::path& path) {
        write_model(path);
        info.model_fingerprint = fingerprint(MappedFile(path / kWeights).bytes());
        return to_json(info).dump(2) + "\n";
    });
    return info;
}

std::optional<CheckpointInfo> read_checkpoint(const fs::path& folder) {
    if (!fs::is_directory(folder)) fail("there is no model folder {}", folder.string());
    if (!fs::is_regular_file(folder / kMarker)) return std::nullopt;
    return read_info(JsonObject(folder / kMarker));
}

bool is_whole(const fs::path& folder) {
    return fs::is_regular_file(folder / kMarker) && fs::is_regular_file(folder / kWeights);
}

}  // namespace bv
