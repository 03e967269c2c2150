#include "programs/eval/scored_model.hpp"

#include "heads/head_file.hpp"
#include "io/json.hpp"
#include "io/paths.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

std::string text_at(const nlohmann::json& object, const char* place) {
    const nlohmann::json::json_pointer pointer(place);
    return object.contains(pointer) && object[pointer].is_string() ? object[pointer].get<std::string>() : "";
}

/// The model that computed the logits of the metrics.json at `file`. Empty if it names none.
std::string computing_model(const fs::path& file, const nlohmann::json& metrics) {
    if (!metrics.is_object()) return "";
    if (metrics.contains("head")) {
        // bv_train writes metrics.json beside the head, bv_eval names the head's fingerprint.
        if (is_there(file.parent_path() / "head.json"))
            return head_name(head_fingerprint(file.parent_path()));
        const std::string fingerprint = text_at(metrics, "/head_fingerprint");
        return fingerprint.empty() ? "" : head_name(fingerprint);
    }
    const std::string fingerprint = text_at(metrics, "/checkpoint/fingerprint");
    return fingerprint.empty() ? "" : checkpoint_name(fingerprint);
}

}  // namespace

std::string checkpoint_name(const std::string& fingerprint) {
    return "checkpoint " + fingerprint;
}

std::string head_name(const std::string& fingerprint) {
    return "head " + fingerprint;
}

std::string scored_model(const fs::path& file, const nlohmann::json& metrics) {
    const std::string logits = text_at(metrics, "/logits/0/path");
    if (logits.empty()) return computing_model(file, metrics);
    return metrics["logits"].size() == 1 ? model_of_logits(logits) : "";
}

std::string model_of_logits(const fs::path& logits) {
    const fs::path file = logits.parent_path() / "metrics.json";
    return is_there(file) ? computing_model(file, read_json(file)) : "";
}

}  // namespace bv
