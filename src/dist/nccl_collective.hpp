#pragma once

#include "dist/collective.hpp"

using ncclComm_t = struct ncclComm*;

namespace bv {

/// Collective over the memory of one GPU a rank, on CUDA's default stream, where Torch computes too: a sum
/// starts when the kernels queued before it are done, and those queued after it wait for it.
class NcclCollective final : public Collective {
  public:
    /// Collective: the communicator's id travels over MPI. The rank's GPU must be current. Throws
    /// std::runtime_error with NCCL's reason.
    explicit NcclCollective(const Communicator& ranks);
    ~NcclCollective() override;
    NcclCollective(const NcclCollective&) = delete;
    NcclCollective& operator=(const NcclCollective&) = delete;

    std::string_view name() const override { return "NCCL"; }
    void all_reduce(float* data, std::int64_t count) override;
    void broadcast(float* data, std::int64_t count, int root) override;

  private:
    ncclComm_t handle_ = nullptr;
};

}  // namespace bv
