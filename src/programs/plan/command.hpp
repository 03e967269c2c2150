#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace bv {

class CommandLine;

/// Flags of bv_plan. Without `model` it plans for BERT-Large, without `features` for SQuAD 2.0 with the
/// windows of the reference.
struct PlanOptions {
    std::filesystem::path study;  ///< value of --config
    std::filesystem::path model;
    std::filesystem::path features;
    std::filesystem::path dev_features;
    std::vector<std::string> tasks;    ///< instead of the study's
    std::vector<std::uint64_t> seeds;  ///< instead of the study's
    std::string states_at;             ///< epochs, instead of the study's
    bool measure = false;
    std::filesystem::path folder = ".";
    double tuned_tokens = 0;      ///< tokens per second that one rank fine-tunes on; 0 means unknown
    double encoded_tokens = 0;    ///< tokens per second that one rank encodes; 0 means unknown
    double write_mbps = 0;        ///< MB per second that all ranks together write; 0 means unknown
    double read_mbps = 0;         ///< MB per second that all ranks together read; 0 means unknown
    std::int64_t plan_ranks = 0;  ///< ranks of the study; 0 means the ranks that bv_plan runs on
    std::filesystem::path output;
    bool print = false;  ///< print the table [study] for scripts, instead of the costs
    ComputeOptions compute;
    bool force = false;

    /// Declares all flags on `line`, except --config; `line.parse` then sets this object.
    void declare(CommandLine& line);
};

/// Collective: prints the bytes that the study needs. If the rates are given or measured, it also prints the
/// time, the GPU hours, and whether it is faster to store the states or to compute them again for each pass
/// of head training. With --print it prints only the table [study], as shell_text writes it. Writes only the
/// file of --output. Throws AgreedError, which names file and key, for a user's mistake, and
/// std::runtime_error when MPI fails.
void plan(const PlanOptions& options, const Communicator& ranks);

}  // namespace bv
