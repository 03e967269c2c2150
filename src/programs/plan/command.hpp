#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace bv {

class CommandLine;

/// Flags of bv_plan. Without a model it is BERT-Large, without features SQuAD 2.0 as the reference had it.
struct PlanOptions {
    std::filesystem::path study;  ///< value of --config
    std::filesystem::path model;
    std::filesystem::path features;
    std::filesystem::path dev_features;
    bool measure = false;
    std::filesystem::path folder = ".";
    double tuned_tokens = 0;    ///< a second and rank; 0 = unknown
    double encoded_tokens = 0;  ///< a second and rank
    double write_mbps = 0;      ///< of all ranks together
    double read_mbps = 0;
    std::int64_t plan_ranks = 0;  ///< 0 = those bv_plan runs on
    std::filesystem::path output;
    bool print = false;  ///< the study itself, for scripts, instead of what it takes
    ComputeOptions compute;
    bool force = false;

    void declare(CommandLine& line);
};

/// Collective: prints what the study takes in bytes and, where rates are given or measured, in time and
/// GPU hours, and whether computing states again for each pass of head training beats storing them; or, with
/// --print, what the study is. Writes nothing but --output. Throws AgreedError naming the file and key that
/// are wrong.
void plan(const PlanOptions& options, const Communicator& ranks);

}  // namespace bv
