#include <cuda_runtime_api.h>

#include "collective_conformance.hpp"
#include "device/gpus.hpp"

namespace bv {
namespace {

void check(cudaError_t code) {
    if (code != cudaSuccess) throw std::runtime_error(cudaGetErrorString(code));
}

/// Memory of one GPU a rank, and NCCL. All ranks of a test share a host.
class Gpu {
  public:
    explicit Gpu(const Communicator& ranks) : collective_(on_own_gpu(ranks)) {}

    static std::string why_not() {
        const Communicator ranks;
        const auto gpus = static_cast<int>(visible_gpus().size());
        return gpus >= ranks.local_size() ? ""
                                          : fmt::format("{} GPUs for {} ranks", gpus, ranks.local_size());
    }

    struct Free {
        void operator()(float* memory) const { cudaFree(memory); }
    };
    using Memory = std::unique_ptr<float, Free>;

    Collective& collective() { return collective_; }

    static Memory buffer(const std::vector<float>& values) {
        void* memory = nullptr;
        check(cudaMalloc(&memory, std::max<std::size_t>(values.size(), 1) * sizeof(float)));
        Memory owned(static_cast<float*>(memory));
        check(cudaMemcpy(memory, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
        return owned;
    }

    static std::vector<float> content(const Memory& memory, std::int64_t count) {
        std::vector<float> values(static_cast<std::size_t>(count));
        check(cudaMemcpy(values.data(), memory.get(), values.size() * sizeof(float), cudaMemcpyDeviceToHost));
        return values;
    }

  private:
    static Collective& on_own_gpu(const Communicator& ranks) {
        check(cudaSetDevice(ranks.rank()));
        return make_collective(ranks, ranks.rank());
    }

    Collective& collective_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Nccl, CollectiveConformance, Gpu);

}  // namespace
}  // namespace bv
