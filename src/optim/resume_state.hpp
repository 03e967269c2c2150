#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
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

/// Local: the state of the most steps, but no more than `at_most`, in `folder` that is whole and undamaged;
/// nothing where there is none. A damaged one is warned of and passed over.
std::optional<ResumeState> newest_resume_state(
    const std::filesystem::path& folder, std::int64_t at_most = std::numeric_limits<std::int64_t>::max());

/// Local: removes all states in `folder` but the one after `kept` steps.
void remove_resume_states(const std::filesystem::path& folder, std::optional<std::int64_t> kept = {});

}  // namespace bv
