#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "dist/communicator.hpp"

namespace bv {

/// Where a rank computes.
struct ComputeOptions {
    std::string device = "auto";  ///< auto, cpu or cuda
    int threads = 0;              ///< threads of a rank on the CPU; 0 = its share of the cores
};

class CommandLine;

/// Declares --device and --threads.
void declare(CommandLine& line, ComputeOptions& options);

/// Collective: chooses this rank's device (its GPU by its number on the host, else the CPU), makes it
/// current, sets Torch's threads, and says both once. Threads are set explicitly because MKL and ATen read
/// Open MPI's environment and silently take one. Throws AgreedError when the wanted device is not there or
/// has to be shared by ranks.
at::Device open_device(const ComputeOptions& options, const Communicator& ranks);

}  // namespace bv
