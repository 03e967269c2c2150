#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "core/task.hpp"
#include "device/device.hpp"

namespace bv {

class CommandLine;

/// Flags of bv_extract.
struct ExtractOptions {
    std::filesystem::path checkpoint;
    std::filesystem::path features;
    std::filesystem::path store;
    Task task = Task::span;
    std::string dtype = "float16";
    std::string layers = "all";
    std::int64_t batch_tokens = 4096;
    double block_mib = 0;  ///< 0 = the usual size, see features_per_block
    ComputeOptions compute;
    bool force = false;

    void declare(CommandLine& line);
};

/// Collective: writes the hidden states that a checkpoint makes of features into one embedding store, or the
/// blocks that an interrupted run left out of it. Every rank computes and writes its own blocks; what a block
/// holds depends neither on R nor on other blocks. Throws AgreedError before any work for what the user got
/// wrong.
void extract(const ExtractOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
