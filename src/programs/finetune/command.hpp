#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "core/task.hpp"
#include "device/device.hpp"
#include "optim/adam.hpp"
#include "optim/schedule.hpp"
#include "programs/finetune/choices.hpp"

namespace bv {

class CommandLine;

/// Flags of bv_finetune. The defaults are the reference's recipe (King, Benge and Jiang 2020).
struct FinetuneOptions {
    std::filesystem::path model;
    std::filesystem::path features;
    std::filesystem::path output;
    Task task = Task::span;
    std::string checkpoints = "0,0.1:0.9:0.1,1:6:1";
    std::int64_t batch = 4;        ///< sequences in a step, over all ranks
    std::int64_t pass_tokens = 0;  ///< largest number of tokens in a pass; 0 means no limit
    bool gradient_checkpointing = false;
    std::uint64_t seed = 1;
    AdamKind optimizer = AdamKind::adam;
    double learning_rate = 1e-5;
    double epsilon = 1e-7;
    EpsilonKind epsilon_kind = EpsilonKind::keras;
    double weight_decay = 0.0;
    ScheduleKind schedule = ScheduleKind::constant;
    double warm_up = 0.0;  ///< share of all steps, 0 to 1
    double clip = 0.0;     ///< largest norm of the gradients; 0 means no clipping
    SpanLoss loss = SpanLoss::sum;
    bool no_dropout = false;
    NonFinite non_finite = NonFinite::stop;
    std::filesystem::path eval_features;  ///< empty means no evaluation
    std::string eval_metric = "f1";
    std::int64_t patience = 0;  ///< checkpoints without a better score; 0 means no limit
    ResumeRule resume = ResumeRule::automatic;
    double resume_every = 10;  ///< minutes between saved states; 0 means only on the stop signal
    ComputeOptions compute;
    bool force = false;
    bool self_test = false;
    std::filesystem::path trace;  ///< empty means no trace

    /// Declares all flags on `line`; `line.parse` then sets this object.
    void declare(CommandLine& line);

  private:
    void declare_inputs(CommandLine& line);
    void declare_optimizer(CommandLine& line);
    void declare_evaluation(CommandLine& line);
    void declare_running(CommandLine& line);
};

/// Collective: fine-tunes a model data-parallel over all ranks. At every wanted fraction of an epoch it
/// writes a checkpoint to OUTPUT/checkpoints/epoch-<fraction>/. After every step it writes a line to
/// OUTPUT/metrics/finetune.jsonl. With --eval-features it scores every checkpoint and writes the line
/// {"evaluation": ...}. With --patience it may end before the last checkpoint. On the stop signal it finishes
/// the current step, writes OUTPUT/resume/ and throws Stopped on all ranks; the same call goes on from there.
///
/// With --self-test it writes nothing. It trains a few steps twice from the same weights: first all ranks
/// share each batch, then rank 0 computes alone. If the losses differ, rank 0 throws std::runtime_error.
///
/// `line` holds the parsed flags, whose resolved form is written beside the results. Throws AgreedError for a
/// user's mistake, and when a loss or gradient is not finite (--non-finite stop). Throws std::runtime_error
/// when MPI or NCCL fails.
void finetune(const FinetuneOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
