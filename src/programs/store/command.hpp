#pragma once

#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace bv {

class CommandLine;

/// Arguments of bv_store.
struct StoreToolOptions {
    std::string action;  ///< info, verify or repair
    std::filesystem::path store;
    std::filesystem::path checkpoint;  ///< for repair, where it is not at the place the store names
    ComputeOptions compute;

    void declare(CommandLine& line);
};

/// Collective: says what is in a store (info), checks every byte of it on rank 0 (verify), or computes what
/// is damaged or missing again on all ranks (repair). Throws AgreedError naming the store: it is none, it is
/// damaged (verify), its tables are damaged, its checkpoint is gone or another (repair).
void run_store_tool(const StoreToolOptions& options, const Communicator& ranks);

}  // namespace bv
