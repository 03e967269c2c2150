#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "dist/communicator.hpp"

namespace bv {

/// Where and how a rank shall compute, and when it is taken for hung.
struct ComputeOptions {
    std::string device = "auto";     ///< auto, cpu or cuda
    std::string precision = "auto";  ///< auto, float32 or bfloat16
    int threads = 0;                 ///< threads of a rank on the CPU; 0 = its share of the cores
    double hang_timeout = 120;       ///< seconds, see dist/watchdog.hpp; 0 = never hung
};

/// Where a rank computes, and in what BERT's matrix products run: float32 or bfloat16.
struct Compute {
    at::Device device;
    at::ScalarType precision = at::kFloat;
    int threads = 1;

    /// The GPU's number on its host; -1 on the CPU.
    int gpu() const { return device.is_cuda() ? device.index() : -1; }

    /// "CPU, 4 threads, bfloat16": for people.
    std::string text() const;
};

class CommandLine;

/// Declares --device, --precision, --threads and --hang-timeout.
void declare(CommandLine& line, ComputeOptions& options);

/// Collective: chooses this rank's device (its GPU by its number on the host, else the CPU), makes it
/// current, chooses a precision that every rank has, sets Torch's threads, and says so once. Threads are set
/// explicitly because MKL and ATen read Open MPI's environment and silently take one. Throws AgreedError when
/// the wanted device is not there or has to be shared by ranks.
Compute open_device(const ComputeOptions& options, const Communicator& ranks);

}  // namespace bv
