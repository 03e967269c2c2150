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
#include "squad/scoring/question_records.hpp"

namespace bv {

/// The files that the training of a head writes into its folder. Only rank 0 has this object. All functions
/// throw Error, which names the path.
class HeadFiles {
  public:
    explicit HeadFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// Begins from the start, or from the state after `steps` steps of an interrupted run. `lines` are the
    /// lines that this run has written to its log. `best` is its best epoch so far; 0 means none. If the head
    /// of a later epoch has taken the place of that epoch's head, the earlier head is put back. All other
    /// states are removed. `config` is the resolved configuration.
    void begin(const nlohmann::json& recipe, const std::string& config, std::int64_t steps,
               const nlohmann::json& lines, std::int64_t best);

    /// Says that a state will be written next. `best` is the best epoch before the state's step; 0 means
    /// none. Call it only when the previous state is on disk.
    void begin_state(std::int64_t best) { of_states_ = {of_states_.back(), best}; }

    /// Appends an epoch's line to metrics.jsonl.
    void log(const nlohmann::json& line) { metrics_->append(line); }

    /// Writes head.safetensors and head.json of head `k`, whose epoch is the best so far, and, for the dev
    /// questions, logits.safetensors and questions.safetensors. If a saved state may need the files that
    /// these replace, they are set aside: training that goes on from the state, on other ranks with other
    /// rounding, may find no better epoch.
    void write_head(const Head& head, std::int64_t k, const HeadOrigin& origin, const Logits& logits,
                    const QuestionRecords& records);

    /// Removes the files that `write_head` wrote, perhaps in an earlier run.
    void remove_head() const;

    /// Writes metrics.json, the mark of a finished training, and removes states and heads set aside.
    void finish(const nlohmann::ordered_json& metrics) const;

    /// Removes states and heads set aside, perhaps for a process that was killed in `finish`.
    void remove_states() const;

  private:
    std::filesystem::path aside(std::int64_t epoch) const;
    void remove_asides(const std::vector<std::int64_t>& kept) const;

    std::filesystem::path folder_;
    std::optional<MetricsFile> metrics_;
    std::int64_t written_ = 0;                   // epoch of the head that stands in the folder
    std::vector<std::int64_t> of_states_{0, 0};  // best epochs of the states that may be on disk
};

/// The state of a head in training, and its folder.
struct HeadState {
    std::filesystem::path folder;
    ResumeState state;
};

/// Local: writes the states of heads that are trained together, all after the same number of steps, in
/// place of their older ones and as one: if the process is killed at any moment, either all heads have the
/// newer state, or all have the older one. Their folders are in `output`. There a record of the heads
/// (states-<fingerprint>-<step>.json) exists from the moment when all states are on disk until all are in
/// place. Throws Error, which names the path, for example when the disk is full; then the older states
/// count.
void write_head_states(const std::filesystem::path& output, const std::vector<HeadState>& states);

/// Local: finishes the work of killed processes in `output` for the heads in `folders`. States for which
/// there is a record are put in place; a record that was only begun is removed. Throws Error, which names the
/// path.
void finish_head_states(const std::filesystem::path& output,
                        const std::vector<std::filesystem::path>& folders);

/// The facts about a head's training that its folder shows.
struct EarlierHeadRun {
    bool finished = false;
    std::int64_t steps = 0;   ///< training steps done in the newest saved state
    std::int64_t scored = 0;  ///< epochs of which this state has the scores
    std::string group;        ///< the group that this state names; empty if there is no state
    std::string precision;    ///< of the states that an unfinished run read; empty if there is none
};

/// Local: looks for a training of the same recipe in `folder`. Throws Error when a training of another
/// recipe is there and `force` is false. With `force`, a finished training counts as
/// not begun.
EarlierHeadRun find_earlier_head_run(const std::filesystem::path& folder, const nlohmann::json& recipe,
                                     bool force);

/// Local: reads the state in `folder` after `steps` steps. Throws Error, which names the missing or damaged
/// file.
ResumeState read_head_state(const std::filesystem::path& folder, std::int64_t steps);

}  // namespace bv
