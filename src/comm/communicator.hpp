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

/// The time from MPI_Init_thread to MPI_Finalize. One object per process, made by `run_on_ranks`. Its
/// constructor throws std::runtime_error when MPI does not start.
class Mpi {
  public:
    Mpi();
    ~Mpi();
    Mpi(const Mpi&) = delete;
    Mpi& operator=(const Mpi&) = delete;

    /// Local: ends all ranks with this exit code. It ends this process even if MPI_Abort should return.
    [[noreturn]] static void abort(int code);
};

/// A user's mistake that every rank knows of. It is printed once, and every rank ends through MPI_Finalize.
class AgreedError : public Error {
  public:
    using Error::Error;
};

/// The ranks of a job. Its messages travel over a duplicate of MPI_COMM_WORLD. All its collective calls
/// throw std::runtime_error when MPI fails.
class Communicator {
  public:
    /// Collective: all ranks of the job must call it.
    Communicator();
    ~Communicator();
    Communicator(const Communicator&) = delete;
    Communicator& operator=(const Communicator&) = delete;

    /// Local: this rank's number, the number of ranks, and the number of ranks on this host.
    int rank() const { return rank_; }
    int size() const { return size_; }
    int local_size() const { return local_size_; }

    /// Local: whether this is rank 0. It prints, and writes the files that all ranks share.
    bool is_root() const { return rank_ == 0; }

    /// Local: keeps `resource` until this object ends, and returns it. This object ends when all ranks
    /// leave the program together: at the program's end, or by an error or a stop on which they agreed. A
    /// rank that fails alone ends all ranks by MPI_Abort and releases nothing. So this is the place for
    /// handles whose release waits for other ranks.
    template <class T>
    T& keep(std::shared_ptr<T> resource) const {
        kept_.push_back(resource);
        return *resource;
    }

    /// Local: the MPI handle, for MPI-IO and collectives.
    MPI_Comm handle() const { return handle_; }

    /// Collective: returns when all ranks have called it.
    void barrier() const;

    /// Collective: runs `check` on every rank. If it throws Error on any rank, all ranks throw AgreedError
    /// with the message of the lowest of these ranks. Whatever a user may have got wrong is checked inside
    /// such a call.
    void agree(const std::function<void()>& check) const;

    /// Collective: does the same, but only rank 0 runs `work`.
    void root_only(const std::function<void()>& work) const;

    /// Collective: throws AgreedError on all ranks if some rank's `own` is not equal to that of rank 0.
    /// `what` says what it is of: a file that each rank reads for itself may be another one on another host.
    void require_equal(const std::string& own, const std::string& what) const;

    /// Collective: returns the `text` of rank `root` on every rank.
    std::string broadcast(std::string text, int root = 0) const;

    /// Collective: returns the `text` of every rank, in the order of ranks, on every rank.
    std::vector<std::string> gather(const std::string& text) const;

    /// Collective: returns the sum, or the maximum, over all ranks on every rank.
    double sum(double value) const;
    std::int64_t sum(std::int64_t value) const;
    double max(double value) const;

    /// Collective: replaces each value by its sum over all ranks, on every rank.
    void sum(std::span<double> values) const;

  private:
    MPI_Comm handle_ = MPI_COMM_NULL;
    mutable std::vector<std::shared_ptr<void>> kept_;
    int rank_ = 0;
    int size_ = 1;
    int local_size_ = 1;
};

}  // namespace bv
