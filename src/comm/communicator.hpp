#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "core/error.hpp"

namespace bv {

/// MPI from MPI_Init_thread to MPI_Finalize. One per process, made by `run_on_ranks`.
class Mpi {
  public:
    Mpi();
    ~Mpi();
    Mpi(const Mpi&) = delete;
    Mpi& operator=(const Mpi&) = delete;

    /// Local: ends all ranks with this exit code; this process at any rate, should MPI_Abort not return.
    [[noreturn]] static void abort(int code);
};

/// A user's mistake that every rank knows of: printed once, and every rank ends through MPI_Finalize.
class AgreedError : public Error {
  public:
    using Error::Error;
};

/// The ranks of a job: a duplicate of MPI_COMM_WORLD, for control messages.
class Communicator {
  public:
    /// Collective: all ranks of the job.
    Communicator();
    ~Communicator();
    Communicator(const Communicator&) = delete;
    Communicator& operator=(const Communicator&) = delete;

    /// Local: this rank, the number of ranks, and this rank's number among those of its host.
    int rank() const { return rank_; }
    int size() const { return size_; }
    int local_rank() const { return local_rank_; }
    int local_size() const { return local_size_; }

    /// Local: whether this is rank 0, which prints and writes what there is one of.
    bool is_root() const { return rank_ == 0; }

    /// Local: keeps `resource` until this object ends, and returns it. This object ends when all ranks leave
    /// the program together: at its end, or by an error or a stop that they agreed on. A rank that fails
    /// alone ends all by MPI_Abort and releases nothing. Handles whose release waits for other ranks belong
    /// here.
    template <class T>
    T& keep(std::shared_ptr<T> resource) const {
        kept_.push_back(resource);
        return *resource;
    }

    /// Local: the MPI handle, for MPI-IO and collectives.
    MPI_Comm handle() const { return handle_; }

    /// Collective: all ranks.
    void barrier() const;

    /// Collective: runs `check` on every rank; if it throws Error anywhere, throws AgreedError with the
    /// message of the lowest such rank on all of them. The place for everything a user may have got wrong.
    void agree(const std::function<void()>& check) const;

    /// Collective: as `agree`, with `work` run by rank 0 alone.
    void root_only(const std::function<void()>& work) const;

    /// Collective: `text` of rank `root` on every rank.
    std::string broadcast(std::string text, int root = 0) const;

    /// Collective: everybody's `text` in the order of ranks, on every rank.
    std::vector<std::string> gather(const std::string& text) const;

    /// Collective: the sum, or maximum, over ranks on every rank.
    double sum(double value) const;
    std::int64_t sum(std::int64_t value) const;
    double max(double value) const;

    /// Collective: replaces each value by its sum over ranks, on every rank.
    void sum(std::span<double> values) const;

  private:
    MPI_Comm handle_ = MPI_COMM_NULL;
    mutable std::vector<std::shared_ptr<void>> kept_;
    int rank_ = 0;
    int size_ = 1;
    int local_rank_ = 0;
    int local_size_ = 1;
};

}  // namespace bv
