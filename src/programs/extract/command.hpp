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
    std::int64_t batch_tokens = 4096;  ///< largest number of tokens in one pass of the encoder
    double block_mib = 0;              ///< MiB; 0 means the usual size, see features_per_block
    ComputeOptions compute;
    bool force = false;

    /// Declares all flags on `line`; `line.parse` then sets this object.
    void declare(CommandLine& line);
};

/// Collective: writes the hidden states that a checkpoint computes for features into one embedding store, or
/// only the blocks that an interrupted run left out. Every rank computes and writes its own blocks. The
/// content of a block depends neither on R nor on other blocks. `line` holds the parsed flags, whose resolved
/// form is kept in the store and beside it. Throws AgreedError for a user's mistake, before any work, and
/// what extract_missing throws.
void extract(const ExtractOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
