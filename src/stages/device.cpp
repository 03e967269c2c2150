#include "stages/device.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <unistd.h>

#include "core/command_line.hpp"
#include "core/log.hpp"
#include "core/parallel.hpp"

#ifdef BV_CUDA
#include <cuda_runtime_api.h>
#endif

namespace bv {
namespace {

int gpu_count() {
#ifdef BV_CUDA
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
#else
    return 0;
#endif
}

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
}

/// This rank's share of the cores: its affinity mask where the launcher bound it, else an equal part of the
/// host's.
int share_of_cores(const Communicator& ranks) {
    const int mine = available_cores();
    const bool bound = mine < sysconf(_SC_NPROCESSORS_ONLN);
    return bound ? mine : std::max(1, mine / ranks.local_size());
}

}  // namespace

void declare(CommandLine& line, ComputeOptions& options) {
    line.option("device", options.device,
                "auto takes the GPU of the rank's number on its host where there is one")
        ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
    line.option("threads", options.threads,
                "threads of a rank on the CPU; 0 takes the rank's share of the cores")
        ->check(CLI::NonNegativeNumber);
}

at::Device open_device(const ComputeOptions& options, const Communicator& ranks) {
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
    const int threads = options.threads > 0 ? options.threads : share_of_cores(ranks);
    at::set_num_threads(threads);
    spdlog::info("{} rank{}, {} with {} thread{} each", ranks.size(), ranks.size() == 1 ? "" : "s",
                 device.is_cuda() ? "a GPU each" : "on the CPU", threads, threads == 1 ? "" : "s");
    return device;
}

}  // namespace bv
