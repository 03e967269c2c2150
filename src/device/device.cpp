#include "device/device.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fmt/ranges.h>

#include "config/command_line.hpp"
#include "core/dtype.hpp"
#include "core/host_name.hpp"
#include "core/log.hpp"
#include "device/cores.hpp"
#include "device/gpus.hpp"
#include "tensor/tensor_files.hpp"

#ifdef BV_CUDA
#include <cuda_runtime_api.h>
#endif

namespace bv {
namespace {

/// Makes GPU `device` current. libtorch_cuda is loaded only here, because it takes seconds and half a
/// gigabyte. A rank on the CPU does not need it.
void open_gpu(int device) {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
        fail("--device cuda: cannot load LibTorch's CUDA part: {}", dlerror());
    }
#ifdef BV_CUDA
    if (cudaSetDevice(device) != cudaSuccess) {
        fail("--device cuda: cannot use GPU {} of host {}", device, host_name());
    }
#else
    BV_EXPECT(device < 0);  // a build without CUDA sees no GPU
#endif
    // It is checked here, because Torch would refuse other settings only in the first step.
    const char* found = std::getenv("CUBLAS_WORKSPACE_CONFIG");
    const std::string workspaces = found == nullptr ? "" : found;
    if (workspaces != ":4096:8" && workspaces != ":16:8") {
        fail(
            "the environment variable CUBLAS_WORKSPACE_CONFIG is '{}'; results that are the same each time "
            "need :4096:8 or :16:8",
            workspaces);
    }
    // The bits must be the same each time, so that a resumed run ends with those of an undisturbed run.
    // Operations without a deterministic kernel throw: with warn_only the backward pass of flash attention
    // would use its other kernel. src/README.md lists the operations of the training steps.
    at::Context& context = at::globalContext();
    context.setDeterministicAlgorithms(true, /*warn_only=*/false);
    context.setDeterministicFillUninitializedMemory(false);
    // Without this Torch rounds the factors of convolutions to 10 bits of mantissa (TF32); heads are float32.
    context.setAllowTF32CuDNN(false);
}

/// Collective: the hosts that have a GPU, also if this build cannot use it.
std::vector<std::string> hosts_with_gpus(const Communicator& ranks) {
    std::set<std::string> hosts;
    for (const std::string& host : ranks.gather(has_nvidia_gpu() ? host_name() : "")) {
        if (!host.empty()) hosts.insert(host);
    }
    return {hosts.begin(), hosts.end()};
}

std::string place_text(const Compute& compute) {
    return fmt::format("{}, {} thread{}", compute.device.is_cuda() ? "GPU" : "CPU", compute.threads,
                       compute.threads == 1 ? "" : "s");
}

}  // namespace

void declare(CommandLine& line, ComputeOptions& options) {
    line.option("device", options.device,
                "auto takes a GPU for each rank if all ranks see one, and the CPU if none does")
        .one_of({"auto", "cpu", "cuda"});
    line.option(
            "precision", options.precision,
            "precision of BERT's matrix products. auto: unfinished work keeps its precision, and a "
            "checkpoint keeps the precision of its fine-tuning; otherwise GPUs take bfloat16 if all of them "
            "support it, and CPUs take the precision that is faster in a short measurement. Weights, sums "
            "and optimizer are always float32")
        .one_of({"auto", "float32", "bfloat16"});
    line.option("threads", options.threads,
                "threads of a rank on the CPU; 0 takes the rank's share of the cores")
        .check(within(0, kMostThreads));
    line.option(
            "hang-timeout", options.hang_timeout,
            "seconds; a rank that gives no sign for so long is named, and all ranks end; they also end if "
            "all wait for each other for so long, or if no rank makes progress for ten times as long; "
            "0 turns this off (for debuggers)")
        .check(zero_or(2));  // at least a few signs of comm/watchdog.hpp
}

std::string Compute::precision_name() const {
    return std::string(name_of(dtype_of(precision)));
}

std::string Compute::text() const {
    return fmt::format("{}, {}", place_text(*this), precision_name());
}

std::string without_gpus(const std::string& wanted, bool built_for_gpus,
                         const std::vector<std::string>& hosts) {
    constexpr const char* kHow =
        "install a CUDA toolkit (nvcc on PATH, in $CUDA_HOME or /usr/local/cuda; tools/install.sh installs "
        "one if there is a GPU) and build again";
    if (wanted == "cuda") {
        if (!built_for_gpus) fail("--device cuda: this build has no CUDA; {}", kHow);
        fail("--device cuda: no rank sees a GPU that CUDA can use");
    }
    if (wanted == "cpu" || built_for_gpus || hosts.empty()) return "";
    return fmt::format(
        "computing on the CPU: this build has no CUDA and cannot use the GPUs of {}; {}, or say --device cpu",
        fmt::join(hosts, ", "), kHow);
}

Compute open_device(const ComputeOptions& options, const Communicator& ranks) {
    RanksGpus mine{host_name(), {}};
    ranks.agree([&] {
        if (options.device != "cpu") mine.gpus = visible_gpus();
    });
    const std::optional<int> gpu = agree_on_gpu(mine, ranks);
    Compute compute{at::kCPU};
    if (gpu) {
        ranks.agree([&] { open_gpu(*gpu); });
        compute.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(*gpu));
    } else {
        std::string warning;
        const std::vector<std::string> hosts = hosts_with_gpus(ranks);
        ranks.agree([&] { warning = without_gpus(options.device, kBuiltForGpus, hosts); });
        if (ranks.is_root() && !warning.empty()) spdlog::warn("{}", warning);
    }
    const int share = share_of_cores(ranks);
    compute.threads = options.threads > 0 ? options.threads : share;
    at::set_num_threads(compute.threads);
    spdlog::info("{} rank{}, each: {}", ranks.size(), ranks.size() == 1 ? "" : "s", place_text(compute));
    return compute;
}

}  // namespace bv
