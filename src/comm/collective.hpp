#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// Sums and copies of tensors over the ranks. `data` is host memory for MPI and device memory for NCCL.
///
/// Equal bits: the same call with the same values gives the same bits in every run, as long as all of these
/// stay the same: the number of ranks and their places on the nodes, the library's version, the kinds of GPUs
/// and the links between them. For NCCL it holds because programs turn sums over NVLink switches off and
/// choose its ring algorithm (`prepare_process`), unless the user has set NCCL_NVLS_ENABLE or NCCL_ALGO: sums
/// over NVLink switches differ from call to call (NCCL issue 1497). A ring follows the order of the nodes at
/// hand, so that a run which resumes on other nodes may differ by rounding.
class Collective {
  public:
    virtual ~Collective() = default;

    /// "MPI" or "NCCL", for messages.
    virtual std::string_view name() const = 0;

    /// Collective: replaces `count` floats by their sum over all ranks. Throws std::runtime_error when MPI or
    /// NCCL fails.
    virtual void all_reduce(float* data, std::int64_t count) = 0;

    /// Collective: as `all_reduce`, but returns at once: the sums are there after `wait`, and `data` must not
    /// be touched before. All ranks start the same sums in the same order.
    virtual void start_all_reduce(float* data, std::int64_t count) = 0;

    /// Local: gives started sums a chance to go on, to be called now and then during other work. MPI has no
    /// thread of its own for them; with NCCL it does nothing.
    virtual void poll() = 0;

    /// Collective: returns when all started sums are there; on a GPU, for what is queued there from now on.
    virtual void wait() = 0;

    /// Collective: replaces `count` floats by those of rank `root`.
    virtual void broadcast(float* data, std::int64_t count, int root) = 0;
};

/// Collective over host memory.
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

/// Collective: makes the collective for tensors on GPU `device`, or on the CPU when `device` is negative. The
/// GPU must be the calling thread's current one. `ranks` owns it (`Communicator::keep`): make one in a
/// program, after the ranks have agreed on what the user may have got wrong. Throws Error when this build has
/// no CUDA.
Collective& make_collective(const Communicator& ranks, int device);

}  // namespace bv
