#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/task.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Raw span logits of a model or head over features: one start and one end logit for each of their N packed
/// tokens, in the features' order.
struct SpanLogits {
    std::string features;      ///< fingerprint of the features they belong to
    std::vector<float> start;  ///< (N)
    std::vector<float> end;    ///< (N)
};

/// Raw classification logits over features: two for each of F, in the features' order; class 1 = no answer.
struct ClassLogits {
    std::string features;       ///< fingerprint of the features they belong to
    std::vector<float> logits;  ///< (F, 2) row-major
};

/// The id of the first question with a logit that is NaN or infinite; no value if there is none. The logits
/// must belong to `features`.
std::optional<std::string> question_not_finite(const Features& features, const SpanLogits& logits);
std::optional<std::string> question_not_finite(const Features& features, const ClassLogits& logits);

/// Logits files are safetensors files with the float32 tensors "start" and "end" (N), or "logits" (F, 2).
/// Their metadata are "task" (span or classification), "features" (fingerprint of the features) and "data"
/// (fingerprint of the logits; files that other programs wrote may lack it). All functions throw Error, which
/// names the file.
void write_logits(const std::filesystem::path& path, const SpanLogits& logits);
void write_logits(const std::filesystem::path& path, const ClassLogits& logits);

Task task_of_logits(const std::filesystem::path& path);
SpanLogits read_span_logits(const std::filesystem::path& path);
ClassLogits read_class_logits(const std::filesystem::path& path);

}  // namespace bv
