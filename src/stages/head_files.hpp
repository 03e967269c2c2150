#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "adapter/head.hpp"
#include "adapter/head_file.hpp"
#include "core/metrics_file.hpp"
#include "optim/resume_state.hpp"
#include "stages/head_evaluation.hpp"

namespace bv {

/// What the training of a head leaves in its folder. Rank 0 alone has one. All throw Error naming the path.
class HeadFiles {
  public:
    explicit HeadFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// Begins anew, or after the epochs of an interrupted run, whose lines of the log are `lines`, where
    /// there are some or a state. `config` is the resolved configuration.
    void begin(const nlohmann::json& recipe, const std::string& config, const nlohmann::json& lines);

    /// Appends an epoch's line to metrics.jsonl.
    void log(const nlohmann::json& line) { metrics_->append(line); }

    /// Writes head.safetensors, head.json, and logits.safetensors (dev) of head `k`, of the epoch that is
    /// best so far.
    void write_head(const Head& head, std::int64_t k, const HeadOrigin& origin, const Logits& logits) const;

    /// Removes what an earlier run's `write_head` wrote.
    void remove_head() const;

    /// Writes a state to resume from, beside the older one.
    void write_state(const ResumeState& state) const;

    /// Removes all states but the one after `steps`, which all heads trained together have by now.
    void keep_state(std::int64_t steps) const;

    /// Writes metrics.json, the mark of a finished training, and removes the state.
    void finish(const nlohmann::ordered_json& metrics) const;

  private:
    std::filesystem::path folder_;
    std::optional<MetricsFile> metrics_;
};

/// What a head's folder says of its training.
struct EarlierHeadRun {
    bool finished = false;
    std::int64_t steps = 0;  ///< done, where a state holds them: the newest
};

/// Local: looks into `folder` for a training of the same recipe. Throws Error where there is another that
/// `force` does not allow to replace. With `force`, what is finished counts for nothing.
EarlierHeadRun find_earlier_head_run(const std::filesystem::path& folder, const nlohmann::json& recipe,
                                     bool force);

/// Local: the state in `folder` after `steps` steps.
std::optional<ResumeState> read_head_state(const std::filesystem::path& folder, std::int64_t steps);

}  // namespace bv
