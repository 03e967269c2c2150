#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "core/task.hpp"
#include "device/device.hpp"
#include "optim/adam.hpp"
#include "optim/schedule.hpp"

namespace bv {

class CommandLine;

/// Flags of bv_finetune. The defaults are the reference's recipe (King, Benge and Jiang 2020).
struct FinetuneOptions {
    std::filesystem::path model;
    std::filesystem::path features;
    std::filesystem::path output;
    Task task = Task::span;
    std::string checkpoints = "0,0.1:0.9:0.1,1:6:1";
    std::int64_t batch = 4;
    std::int64_t pass_tokens = 0;  ///< 0 = no limit
    bool gradient_checkpointing = false;
    std::uint64_t seed = 1;
    AdamKind optimizer = AdamKind::adam;
    double learning_rate = 1e-5;
    double epsilon = 1e-7;
    EpsilonKind epsilon_kind = EpsilonKind::keras;
    double weight_decay = 0.0;
    ScheduleKind schedule = ScheduleKind::constant;
    double warm_up = 0.0;
    double clip = 0.0;
    std::string loss = "sum";
    bool no_dropout = false;
    std::string non_finite = "stop";
    std::filesystem::path eval_features;  ///< empty = no evaluation
    std::string eval_metric = "f1";
    std::int64_t patience = 0;  ///< 0 = train to the last checkpoint
    std::string resume = "auto";
    double resume_every = 10;  ///< minutes
    ComputeOptions compute;
    bool force = false;
    bool self_test = false;

    void declare(CommandLine& line);

  private:
    void declare_inputs(CommandLine& line);
    void declare_optimizer(CommandLine& line);
    void declare_evaluation(CommandLine& line);
    void declare_running(CommandLine& line);
};

/// Collective: under --self-test, trains a few steps with all ranks sharing each batch and again with rank 0
/// alone, compares the losses, writes nothing, and throws std::runtime_error where they differ. Otherwise
/// fine-tunes a model data-parallel over all ranks and writes a checkpoint at every wanted
/// fraction of an epoch: OUTPUT/checkpoints/epoch-<fraction>/, and OUTPUT/metrics/finetune.jsonl with a line
/// a step. With --eval-features it scores every checkpoint and logs {"evaluation": ...}; with --patience it
/// may end before the last checkpoint. On the stop signal it finishes its step, writes OUTPUT/resume/ and
/// throws Stopped on all ranks; started again, it goes on from there.
void finetune(const FinetuneOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
