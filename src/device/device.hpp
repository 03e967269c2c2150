#pragma once

#include <string>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "comm/communicator.hpp"

namespace bv {

/// Where and how a rank is to compute, and after which time it counts as hung.
struct ComputeOptions {
    std::string device = "auto";     ///< auto, cpu or cuda
    std::string precision = "auto";  ///< auto, float32 or bfloat16
    int threads = 0;                 ///< threads of a rank on the CPU; 0 = its share of the cores
    double hang_timeout = 120;       ///< seconds (see comm/watchdog.hpp); 0 = never
};

/// Where a rank computes, and the precision of BERT's matrix products: float32 or bfloat16.
struct Compute {
    at::Device device;
    at::ScalarType precision = at::kFloat;  ///< see choose_precision
    int threads = 1;

    /// The GPU's number among those that this process sees; -1 on the CPU.
    int gpu() const { return device.is_cuda() ? device.index() : -1; }

    /// "float32" or "bfloat16".
    std::string precision_name() const;

    /// "CPU, 4 threads, bfloat16": for people.
    std::string text() const;
};

class CommandLine;

/// Declares --device, --precision, --threads and --hang-timeout.
void declare(CommandLine& line, ComputeOptions& options);

/// Returns the warning for a run in which all ranks compute on the CPU because no rank sees a GPU that CUDA
/// can use. It names the `hosts` with GPUs that a build without CUDA cannot use. Empty when there are no
/// such hosts. `wanted` is --device; throws Error if it is cuda.
std::string without_gpus(const std::string& wanted, bool built_for_gpus,
                         const std::vector<std::string>& hosts);

/// Collective: chooses where the ranks compute: each on a GPU of its own (device/gpus.hpp), or all on CPUs.
/// Makes the rank's GPU the current one, sets Torch's number of threads, and logs the choice once. The
/// number is set explicitly because MKL and ATen read Open MPI's environment and would take one thread
/// without a word. Throws AgreedError when the wanted device is missing or several ranks would share it.
Compute open_device(const ComputeOptions& options, const Communicator& ranks);

}  // namespace bv
