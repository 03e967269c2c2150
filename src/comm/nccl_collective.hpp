#pragma once

#include <optional>

#include "comm/collective.hpp"
#include "comm/watchdog.hpp"

using ncclComm_t = struct ncclComm*;
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;

namespace bv {

/// Sums and copies in the memory of GPUs, one GPU for each rank. They are ordered with CUDA's default
/// stream, on which Torch computes. A sum starts when the kernels that were queued before it are done, and
/// the kernels that are queued after it wait for it. Sums of `start_all_reduce` run on a stream of their
/// own beside the backward pass: only the kernels that are queued after `wait` wait for them.
class NcclCollective final : public Collective {
  public:
    /// Collective: connects the GPUs of all ranks; the id that NCCL needs travels over MPI. The rank's GPU
    /// must be the current one. Throws std::runtime_error with NCCL's reason.
    explicit NcclCollective(const Communicator& ranks);
    /// Collective: the release of NCCL's handle waits for the other ranks of the node.
    ~NcclCollective() override;
    NcclCollective(const NcclCollective&) = delete;
    NcclCollective& operator=(const NcclCollective&) = delete;

    std::string_view name() const override { return "NCCL"; }
    void all_reduce(float* data, std::int64_t count) override;
    void start_all_reduce(float* data, std::int64_t count) override;
    void poll() override {}
    void wait() override;
    void broadcast(float* data, std::int64_t count, int root) override;

  private:
    ncclComm_t handle_ = nullptr;
    cudaStream_t stream_ = nullptr;   // on which started sums run
    cudaEvent_t ready_ = nullptr;     // what a started sum waits for
    cudaEvent_t summed_ = nullptr;    // what the default stream waits for
    std::optional<Watched> watched_;  // finds errors that no call of the main thread returns
};

}  // namespace bv
