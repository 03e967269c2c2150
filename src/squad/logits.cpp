#include "squad/logits.hpp"

#include <span>
#include <string_view>

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/safetensors.hpp"

namespace bv {
namespace {

TensorView view_of(const std::vector<float>& values, std::vector<std::int64_t> shape) {
    return {DType::f32, std::move(shape),
            std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

constexpr const char* kData = "data";  // metadata: fingerprint of all numbers

std::string data_fingerprint(std::span<const float> numbers) {
    return fingerprint({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
}

std::string data_fingerprint(std::span<const float> start, std::span<const float> end) {
    return fingerprint(data_fingerprint(start) + data_fingerprint(end));
}

/// Logits of other makers and older programs have no fingerprint.
void require_data(const SafetensorsFile& file, const std::string& found) {
    const auto promised = file.metadata().find(kData);
    if (promised == file.metadata().end() || promised->second == found) return;
    fail("{}: it is damaged or was changed: the fingerprint of its logits is {}, its metadata say {}",
         file.path().string(), found, promised->second);
}

std::string metadata_of(const SafetensorsFile& file, const std::string& key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end())
        fail("{}: no logits file: its metadata has no '{}'", file.path().string(), key);
    return found->second;
}

/// Copies tensor `name`, of `columns` numbers a row (1: a vector).
std::vector<float> floats(const SafetensorsFile& file, const std::string& name, std::int64_t columns) {
    const TensorView& tensor = file.at(name);
    const bool fits =
        columns == 1 ? tensor.shape.size() == 1 : tensor.shape.size() == 2 && tensor.shape[1] == columns;
    if (tensor.dtype != DType::f32 || !fits) {
        fail("{}: tensor '{}' must be float32 with {}", file.path().string(), name,
             columns == 1 ? "one dimension" : "two numbers a row");
    }
    const auto values = tensor.as<float>();
    return {values.begin(), values.end()};
}

void require_task(const SafetensorsFile& file, std::string_view task) {
    const std::string found = metadata_of(file, "task");
    if (found != task)
        fail("{}: holds logits of task '{}', expected '{}'", file.path().string(), found, task);
}

}  // namespace

void write_logits(const std::filesystem::path& path, const SpanLogits& logits) {
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(logits.start.size())};
    write_safetensors(path, {{"start", view_of(logits.start, shape)}, {"end", view_of(logits.end, shape)}},
                      {{"task", "span"},
                       {"features", logits.features},
                       {kData, data_fingerprint(logits.start, logits.end)}});
}

void write_logits(const std::filesystem::path& path, const ClassLogits& logits) {
    write_safetensors(
        path, {{"logits", view_of(logits.logits, {static_cast<std::int64_t>(logits.logits.size() / 2), 2})}},
        {{"task", "classification"},
         {"features", logits.features},
         {kData, data_fingerprint(logits.logits)}});
}

std::string task_of_logits(const std::filesystem::path& path) {
    return metadata_of(SafetensorsFile(path), "task");
}

SpanLogits read_span_logits(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    require_task(file, "span");
    SpanLogits logits{metadata_of(file, "features"), floats(file, "start", 1), floats(file, "end", 1)};
    if (logits.start.size() != logits.end.size()) {
        fail("{}: 'start' has {} logits, 'end' has {}", path.string(), logits.start.size(),
             logits.end.size());
    }
    require_data(file, data_fingerprint(logits.start, logits.end));
    return logits;
}

ClassLogits read_class_logits(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    require_task(file, "classification");
    ClassLogits logits{metadata_of(file, "features"), floats(file, "logits", 2)};
    require_data(file, data_fingerprint(logits.logits));
    return logits;
}

}  // namespace bv
