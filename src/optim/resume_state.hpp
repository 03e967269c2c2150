#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

namespace bv {

/// The state of training between two steps. With it, training goes on as if it had never stopped.
struct ResumeState {
    std::int64_t step = 0;      ///< training steps done
    std::string totals = "{}";  ///< JSON: the sums for the next line of the log
    at::Tensor values;          ///< (elements) flat parameters; all tensors here are float32 on the CPU
    at::Tensor first_moments;   ///< (elements) Adam's first moments
    at::Tensor second_moments;  ///< (elements) Adam's second moments
    at::Tensor buffers;         ///< (elements) running statistics of heads; undefined if there are none
};

/// Local: writes FOLDER/step-<step>/ so that it exists only when it is whole. Older states there stay.
/// Throws Error, which names the path, for example when the disk is full.
void write_resume_state(const std::filesystem::path& folder, const ResumeState& state);

/// Local: these two write a state in two parts, for several states that count only together. A prepared
/// state is in FOLDER/step-<step>.prepared/, whole and on disk, but does not count until it is taken. Then
/// it is the only state in `folder`. Taking a state a second time changes nothing. Both throw Error, which
/// names the path.
void prepare_resume_state(const std::filesystem::path& folder, const ResumeState& state);
void take_resume_state(const std::filesystem::path& folder, std::int64_t step);

/// Local: whether the state after `step` steps is prepared and not yet taken.
bool is_prepared(const std::filesystem::path& folder, std::int64_t step);

/// Local: reads the state with the most steps in `folder` that is whole and undamaged. No value when there
/// is none. For each newer state that is damaged it logs a warning. Throws Error, which names the file and
/// the system's reason, when a file cannot be read: that state may still be whole.
std::optional<ResumeState> newest_resume_state(const std::filesystem::path& folder);

/// Local: only the number of steps of that state. Its tensors do not stay in memory.
std::optional<std::int64_t> newest_resume_step(const std::filesystem::path& folder);

/// Local: only the `totals` of the state after `step` steps. Throws Error, which names the missing or damaged
/// file.
std::string read_resume_totals(const std::filesystem::path& folder, std::int64_t step);

/// Local: reads the state after `step` steps. Throws Error, which names the missing or damaged file.
ResumeState read_resume_state(const std::filesystem::path& folder, std::int64_t step);

/// Local: removes all states in `folder` except the one after `kept` steps, and all prepared states.
void remove_resume_states(const std::filesystem::path& folder, std::optional<std::int64_t> kept = {});

}  // namespace bv
