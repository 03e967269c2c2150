#include "stages/device.hpp"

#include <algorithm>
#include <cstdlib>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <unistd.h>

#include "core/command_line.hpp"
#include "core/log.hpp"
#include "core/parallel.hpp"
#include "dist/gpus.hpp"

#ifdef BV_CUDA
#include <cuda_runtime_api.h>
#endif

namespace bv {
namespace {

/// Makes GPU `device` current. libtorch_cuda is loaded only here: it takes seconds and half a gigabyte, which
/// a rank on the CPU should not pay.
void open_gpu(int device) {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
        fail("--device cuda: cannot load LibTorch's CUDA part: {}", dlerror());
    }
#ifdef BV_CUDA
    if (cudaSetDevice(device) != cudaSuccess) fail("--device cuda: cannot use GPU {}", device);
#else
    fail("--device cuda: this build has no CUDA (GPU {} wanted); configure it where nvcc is found", device);
#endif
    // The same bits each time, so that a resumed run is the undisturbed one. What has no such kernel warns.
    at::Context& context = at::globalContext();
    context.setDeterministicAlgorithms(true, /*warn_only=*/true);
    context.setDeterministicFillUninitializedMemory(false);
    // Torch rounds the factors of convolutions to 10 bits of mantissa unless told; heads are float32.
    context.setAllowTF32CuDNN(false);
}

/// This rank's share of the cores: its affinity mask where the launcher bound it, else an equal part of the
/// host's.
int share_of_cores(const Communicator& ranks) {
    const int mine = available_cores();
    const bool bound = mine < sysconf(_SC_NPROCESSORS_ONLN);
    return bound ? mine : std::max(1, mine / ranks.local_size());
}

/// Whether this rank multiplies bfloat16 faster than float32.
bool has_bfloat16(at::Device device) {
#ifdef BV_CUDA
    if (device.is_cuda()) {
        int major = 0;
        return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index()) ==
                   cudaSuccess &&
               major >= 8;
    }
#endif
    return device.is_cpu() && __builtin_cpu_supports("avx512bf16") > 0;
}

/// A few beats of dist/watchdog.hpp at least.
std::string zero_or_two(const std::string& seconds) {
    const double value = std::strtod(seconds.c_str(), nullptr);
    return value == 0 || value >= 2 ? "" : fmt::format("{} is neither 0 nor at least 2", seconds);
}

}  // namespace

void declare(CommandLine& line, ComputeOptions& options) {
    line.option("device", options.device,
                "auto takes the GPU of the rank's number on its host where there is one")
        ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
    line.option("precision", options.precision,
                "of BERT's matrix products; auto takes bfloat16 where every rank's processor or GPU has it. "
                "Weights, sums and optimizer are float32 always")
        ->check(CLI::IsMember({"auto", "float32", "bfloat16"}));
    line.option("threads", options.threads,
                "threads of a rank on the CPU; 0 takes the rank's share of the cores")
        ->check(CLI::NonNegativeNumber);
    line.option("hang-timeout", options.hang_timeout,
                "seconds without a sign of a rank after which it is named and all end, and ten times as many "
                "where ranks are alive and none gets any further; 0 never (for debuggers)")
        ->check(zero_or_two, "0 or at least 2");
}

std::string Compute::text() const {
    return fmt::format("{}, {} thread{}, {}", device.is_cuda() ? "GPU" : "CPU", threads,
                       threads == 1 ? "" : "s", precision == at::kBFloat16 ? "bfloat16" : "float32");
}

Compute open_device(const ComputeOptions& options, const Communicator& ranks) {
    at::Device device(at::kCPU);
    ranks.agree([&] {
        const int gpus = options.device == "cpu" ? 0 : gpu_count();
        if (options.device == "cuda" && gpus == 0)
            fail("--device cuda: this host has no GPU that CUDA can use");
        if (gpus == 0) return;
        if (ranks.local_size() > gpus) {
            fail(
                "{} ranks on a host with {} GPUs: NCCL needs one GPU a rank; start fewer ranks or use "
                "--device cpu",
                ranks.local_size(), gpus);
        }
        open_gpu(ranks.local_rank());
        device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(ranks.local_rank()));
    });
    const bool bfloat16 = options.precision == "auto"
                              ? ranks.sum(std::int64_t{has_bfloat16(device)}) == ranks.size()
                              : options.precision == "bfloat16";
    const int threads = options.threads > 0 ? options.threads : share_of_cores(ranks);
    at::set_num_threads(threads);
    const Compute compute{device, bfloat16 ? at::kBFloat16 : at::kFloat, threads};
    spdlog::info("{} rank{}, each: {}", ranks.size(), ranks.size() == 1 ? "" : "s", compute.text());
    return compute;
}

}  // namespace bv
