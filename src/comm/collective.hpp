#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// Sums and copies of float32 tensors over all ranks. `data` points to `count` floats: in the memory of the
/// host for MPI, in the memory of the rank's GPU for NCCL. `count` must be the same on all ranks, and so
/// must the order of the calls. Every call that talks to other ranks throws std::runtime_error when MPI or
/// NCCL fails.
///
/// Equal bits: the same call with the same values gives the same bits in every run, as long as all of these
/// stay the same: the number of ranks and their places on the nodes, the library's version, the kinds of
/// GPUs and the links between them. NCCL's sums over NVLink switches differ from call to call (NCCL issue
/// 1497). So `prepare_process` turns them off and chooses NCCL's ring algorithm, unless the user has set
/// NCCL_NVLS_ENABLE or NCCL_ALGO. A ring follows the order of the nodes that the job got. A run that
/// resumes on other nodes may therefore differ by rounding.
class Collective {
  public:
    virtual ~Collective() = default;

    /// Local: "MPI" or "NCCL", for messages.
    virtual std::string_view name() const = 0;

    /// Collective: replaces each of the `count` floats by its sum over all ranks.
    virtual void all_reduce(float* data, std::int64_t count) = 0;

    /// Collective: starts the same sums as `all_reduce` and returns at once. The sums are ready after
    /// `wait`; `data` must not be read, changed or freed before.
    virtual void start_all_reduce(float* data, std::int64_t count) = 0;

    /// Local: lets the sums that were started make progress. Call it now and then during other work: MPI
    /// has no thread of its own for such sums. NCCL needs no help, so there it does nothing.
    virtual void poll() = 0;

    /// Collective: returns when all started sums are ready. With NCCL it returns earlier: work that is
    /// queued on the GPU after this call sees the sums.
    virtual void wait() = 0;

    /// Collective: replaces the `count` floats by those of rank `root`.
    virtual void broadcast(float* data, std::int64_t count, int root) = 0;
};

/// Sums and copies in the memory of the host, by MPI.
class MpiCollective final : public Collective {
  public:
    /// Local. `ranks` must outlive this object.
    explicit MpiCollective(const Communicator& ranks) : ranks_(ranks) {}

    std::string_view name() const override { return "MPI"; }
    void all_reduce(float* data, std::int64_t count) override;
    void start_all_reduce(float* data, std::int64_t count) override;
    void poll() override;
    void wait() override;
    void broadcast(float* data, std::int64_t count, int root) override;

  private:
    const Communicator& ranks_;
    std::vector<MPI_Request> running_;
};

/// Collective: makes the object for tensors on GPU `device`, or on the CPU when `device` is negative. The
/// GPU must be the calling thread's current one. `ranks` owns the object (`Communicator::keep`): call this
/// inside a program, after the ranks have agreed that the user made no mistake. Throws Error when this
/// build has no CUDA, std::runtime_error when MPI or NCCL fails.
Collective& make_collective(const Communicator& ranks, int device);

}  // namespace bv
