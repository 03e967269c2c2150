#include "squad/scoring/logits.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/safetensors.hpp"

namespace bv {
namespace {

TensorView view_of(const std::vector<float>& values, std::vector<std::int64_t> shape) {
    return {DType::f32, std::move(shape),
            std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

constexpr const char* kData = "data";  // metadata: fingerprint of all logits

std::string data_fingerprint(std::span<const float> numbers) {
    return fingerprint({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
}

std::string data_fingerprint(std::span<const float> start, std::span<const float> end) {
    return fingerprint(data_fingerprint(start) + data_fingerprint(end));
}

/// Throws Error if the file has a fingerprint of its logits and it is not `found`. Files of other programs
/// may have none.
void require_data(const SafetensorsFile& file, const std::string& found) {
    const auto promised = file.metadata().find(kData);
    if (promised == file.metadata().end() || promised->second == found) return;
    fail("{}: it is damaged or was changed: the fingerprint of its logits is {}, its metadata say {}",
         file.path().string(), found, promised->second);
}

const std::string& metadata_of(const SafetensorsFile& file, const std::string& key) {
    return file.metadata_at(key, "logits file");
}

/// A copy of tensor `name`, which must have `columns` numbers in each row, or be a vector if `columns` is 1.
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

Task task_in(const SafetensorsFile& file) {
    const std::string found = metadata_of(file, "task");
    const auto task = find_word<Task>(found);
    if (!task) fail("{}: holds logits of task '{}'; known: {}", file.path().string(), found, choices<Task>());
    return *task;
}

void require_task(const SafetensorsFile& file, Task task) {
    const Task found = task_in(file);
    if (found != task)
        fail("{}: holds logits of task '{}', expected '{}'", file.path().string(), found, task);
}

std::vector<float>::const_iterator first_not_finite(const std::vector<float>& values) {
    if (all_finite(DType::f32, values.data(), static_cast<std::int64_t>(values.size()))) return values.end();
    return std::ranges::find_if_not(values, [](float one) { return std::isfinite(one); });
}

const std::string& question_of(const Features& features, std::int64_t feature) {
    const auto question = features.question_of[static_cast<std::size_t>(feature)];
    return features.questions[static_cast<std::size_t>(question)].id;
}

}  // namespace

void write_logits(const std::filesystem::path& path, const SpanLogits& logits) {
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(logits.start.size())};
    write_safetensors(path, {{"start", view_of(logits.start, shape)}, {"end", view_of(logits.end, shape)}},
                      {{"task", to_string(Task::span)},
                       {"features", logits.features},
                       {kData, data_fingerprint(logits.start, logits.end)}});
}

void write_logits(const std::filesystem::path& path, const ClassLogits& logits) {
    write_safetensors(
        path, {{"logits", view_of(logits.logits, {static_cast<std::int64_t>(logits.logits.size() / 2), 2})}},
        {{"task", to_string(Task::classification)},
         {"features", logits.features},
         {kData, data_fingerprint(logits.logits)}});
}

Task task_of_logits(const std::filesystem::path& path) {
    return task_in(SafetensorsFile(path));
}

SpanLogits read_span_logits(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    require_task(file, Task::span);
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
    require_task(file, Task::classification);
    ClassLogits logits{metadata_of(file, "features"), floats(file, "logits", 2)};
    require_data(file, data_fingerprint(logits.logits));
    return logits;
}

std::optional<std::string> question_not_finite(const Features& features, const SpanLogits& logits) {
    for (const std::vector<float>* values : {&logits.start, &logits.end}) {
        const auto found = first_not_finite(*values);
        if (found == values->end()) continue;
        const auto after = std::ranges::upper_bound(features.starts, found - values->begin());
        return question_of(features, after - features.starts.begin() - 1);
    }
    return std::nullopt;
}

std::optional<std::string> question_not_finite(const Features& features, const ClassLogits& logits) {
    const auto found = first_not_finite(logits.logits);
    if (found == logits.logits.end()) return std::nullopt;
    return question_of(features, (found - logits.logits.begin()) / 2);
}

}  // namespace bv
