#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dist/communicator.hpp"

namespace bv {

/// Sums and copies of tensors over the ranks. `data` is host memory for MPI and device memory for NCCL.
class Collective {
  public:
    virtual ~Collective() = default;

    /// "MPI" or "NCCL", for messages.
    virtual std::string_view name() const = 0;

    /// Collective: replaces `count` floats by their sum over all ranks. The same ranks give the same bits
    /// each time.
    virtual void all_reduce(float* data, std::int64_t count) = 0;

    /// Collective: as `all_reduce`, but returns at once: the sums are there after `wait`, and `data` must not
    /// be touched before. All ranks start the same sums in the same order.
    virtual void start_all_reduce(float* data, std::int64_t count) = 0;

    /// Local: moves started sums on where nothing else does; to be called now and then.
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

/// Collective: the collective for tensors on GPU `device`, or on the CPU when `device` is negative. The GPU
/// must be the calling thread's current one. Throws Error when this build has no CUDA.
std::unique_ptr<Collective> make_collective(const Communicator& ranks, int device);

}  // namespace bv
