#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "heads/head.hpp"
#include "heads/head_file.hpp"
#include "io/json_lines.hpp"
#include "optim/resume_state.hpp"
#include "programs/shared/head_logits.hpp"

namespace bv {

/// What the training of a head leaves in its folder. Rank 0 alone has one. All throw Error naming the path.
class HeadFiles {
  public:
    explicit HeadFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// Begins anew, or from the state after `steps` steps of an interrupted run, whose lines of the log are
    /// `lines` and whose best epoch so far was `best` (0 = none): the head of that epoch is put back where a
    /// later one has taken its place. Removes all other states. `config` is the resolved configuration.
    void begin(const nlohmann::json& recipe, const std::string& config, std::int64_t steps,
               const nlohmann::json& lines, std::int64_t best);

    /// Says that a state is about to be written, before whose step `best` was the best epoch (0 = none). The
    /// state written before it is on disk.
    void begin_state(std::int64_t best) { of_states_ = {of_states_.back(), best}; }

    /// Appends an epoch's line to metrics.jsonl.
    void log(const nlohmann::json& line) { metrics_->append(line); }

    /// Writes head.safetensors, head.json, and logits.safetensors (dev) of head `k`, of the epoch that is
    /// best so far. Sets aside what stands there where a state may need it: training that goes on from the
    /// state, on other ranks with other rounding, may find no better epoch.
    void write_head(const Head& head, std::int64_t k, const HeadOrigin& origin, const Logits& logits);

    /// Removes what an earlier run's `write_head` wrote.
    void remove_head() const;

    /// Writes metrics.json, the mark of a finished training, and removes states and heads set aside.
    void finish(const nlohmann::ordered_json& metrics) const;

  private:
    std::filesystem::path aside(std::int64_t epoch) const;
    void remove_asides(const std::vector<std::int64_t>& kept) const;

    std::filesystem::path folder_;
    std::optional<MetricsFile> metrics_;
    std::int64_t written_ = 0;                   // epoch of the head that stands in the folder
    std::vector<std::int64_t> of_states_{0, 0};  // best epochs of the states that may be on disk
};

/// Where a head in training stands, and its folder.
struct HeadState {
    std::filesystem::path folder;
    ResumeState state;
};

/// Local: writes the states of heads trained together, all after the same number of steps, in place of their
/// older ones and as one: a process killed at any moment leaves all heads the newer state or all the older
/// one. Their folders lie in `output`, which holds a record of the heads (states-<fingerprint>-<step>.json)
/// from the moment all states are on disk until all are in place. Throws Error naming the path (a full disk,
/// say); then the older ones count.
void write_head_states(const std::filesystem::path& output, const std::vector<HeadState>& states);

/// Local: puts the states in place that killed processes had recorded in `output` for heads among `folders`,
/// and removes records that they had only begun. Throws Error naming the path.
void finish_head_states(const std::filesystem::path& output,
                        const std::vector<std::filesystem::path>& folders);

/// What a head's folder says of its training.
struct EarlierHeadRun {
    bool finished = false;
    std::int64_t steps = 0;  ///< done, where a state holds them: the newest
    std::string precision;   ///< in which the states that it read were computed
};

/// Local: looks into `folder` for a training of the same recipe. Throws Error where there is another that
/// `force` does not allow to replace. With `force`, what is finished counts for nothing.
EarlierHeadRun find_earlier_head_run(const std::filesystem::path& folder, const nlohmann::json& recipe,
                                     bool force);

/// Local: the state in `folder` after `steps` steps. Throws Error naming what is absent or damaged.
ResumeState read_head_state(const std::filesystem::path& folder, std::int64_t steps);

}  // namespace bv
