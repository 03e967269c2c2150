#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

namespace bv {

/// Where training stands between two steps: with it, training goes on as if it had never stopped.
struct ResumeState {
    std::int64_t step = 0;      ///< training steps done
    std::string totals = "{}";  ///< JSON: what the log has summed up so far
    at::Tensor values;          ///< (elements) the flat parameters, float32 on the CPU, as the others
    at::Tensor first_moments;   ///< (elements) of Adam
    at::Tensor second_moments;  ///< (elements)
    at::Tensor buffers;         ///< (elements) running statistics beside the parameters; undefined = none
};

/// Local: writes FOLDER/step-<step>/, which exists only once it is whole, beside the older states there.
/// Throws Error naming the path (a full disk, say).
void write_resume_state(const std::filesystem::path& folder, const ResumeState& state);

/// Local: write a state in two parts, for states that are to count together. A prepared state lies in
/// FOLDER/step-<step>.prepared/, whole and on disk, but does not count until it is taken: then it is the only
/// state in `folder`. To take a state a second time changes nothing. Both throw Error naming the path.
void prepare_resume_state(const std::filesystem::path& folder, const ResumeState& state);
void take_resume_state(const std::filesystem::path& folder, std::int64_t step);

/// Local: whether the state after `step` steps is prepared and not taken yet.
bool is_prepared(const std::filesystem::path& folder, std::int64_t step);

/// Local: the state of the most steps in `folder` that is whole and undamaged; nothing where there is none.
/// The newest by name is read; one that is damaged is warned of, and the one before it is read.
std::optional<ResumeState> newest_resume_state(const std::filesystem::path& folder);

/// Local: only the number of steps of that state; no tensor of it stays in memory.
std::optional<std::int64_t> newest_resume_step(const std::filesystem::path& folder);

/// Local: the state after `step` steps. Throws Error naming what is absent or damaged.
ResumeState read_resume_state(const std::filesystem::path& folder, std::int64_t step);

/// Local: removes all states in `folder` but the one after `kept` steps, and what is prepared.
void remove_resume_states(const std::filesystem::path& folder, std::optional<std::int64_t> kept = {});

}  // namespace bv
