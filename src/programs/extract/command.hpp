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

/// Collective: writes the hidden states of a checkpoint over features into one embedding store, or only the
/// blocks that an interrupted run left out. Every rank computes and writes its own blocks. The content of a
/// block depends neither on R nor on other blocks. Throws AgreedError before any work when the user made a
/// mistake.
void extract(const ExtractOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
