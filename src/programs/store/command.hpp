#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace bv {

class CommandLine;

/// Arguments of bv_store.
struct StoreToolOptions {
    std::string action;  ///< info, verify, repair or export
    std::filesystem::path store;
    std::filesystem::path checkpoint;  ///< for repair, if it is no longer at the path that the store names
    std::filesystem::path output;      ///< for export, like the next three
    std::string layers = "all";
    std::vector<std::string> questions;  ///< ids; none means all
    std::string features = "all";        ///< numbers, such as "0,5,10-20"
    bool force = false;
    ComputeOptions compute;

    /// Declares all arguments on `line`; `line.parse` then sets this object.
    void declare(CommandLine& line);
};

/// Collective: prints the contents of a store (info), checks every byte of it on rank 0 (verify), computes
/// damaged and missing blocks again on all ranks (repair), or writes chosen states into a safetensors file on
/// all ranks (export). Throws AgreedError, which names the store, when
/// the file is not a store, when it is damaged (verify), or when its tables are damaged or its checkpoint
/// is missing or another one (repair). On the stop signal all but info throw Stopped on all ranks. A
/// repair throws what extract_missing throws. Throws std::runtime_error when MPI fails.
void run_store_tool(const StoreToolOptions& options, const Communicator& ranks);

}  // namespace bv
