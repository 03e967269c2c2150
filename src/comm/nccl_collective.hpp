#pragma once

#include <optional>

#include "comm/collective.hpp"
#include "comm/watchdog.hpp"

using ncclComm_t = struct ncclComm*;
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;

namespace bv {

/// Collective over the memory of one GPU a rank, ordered with CUDA's default stream, where Torch computes: a
/// sum starts when the kernels queued before it are done, and those queued after it (after `wait`, for
/// started sums, which run on a stream of their own beside the backward pass) wait for it.
class NcclCollective final : public Collective {
  public:
    /// Collective: the communicator's id travels over MPI. The rank's GPU must be current. Throws
    /// std::runtime_error with NCCL's reason.
    explicit NcclCollective(const Communicator& ranks);
    /// Collective: releasing NCCL's handle waits for the other ranks of the node.
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
    cudaStream_t stream_ = nullptr;   // of started sums
    cudaEvent_t ready_ = nullptr;     // what a started sum waits for
    cudaEvent_t summed_ = nullptr;    // what the default stream waits for
    std::optional<Watched> watched_;  // its asynchronous errors, which no call of the main thread would tell
};

}  // namespace bv
