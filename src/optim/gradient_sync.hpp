#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "comm/collective.hpp"
#include "optim/flat_parameters.hpp"

namespace torch::autograd {
struct Node;
}

namespace bv {

/// Sums gradients over all ranks. The sum of a bucket starts as soon as the backward pass has finished all
/// gradients of this bucket, and runs beside the rest of the pass (Li et al. 2020, PyTorch Distributed).
class GradientSync {
  public:
    /// Local. `parameters` and `ranks` must outlive this object.
    GradientSync(FlatParameters& parameters, Collective& ranks);
    ~GradientSync();
    GradientSync(const GradientSync&) = delete;
    GradientSync& operator=(const GradientSync&) = delete;

    /// Local: says that the next backward pass is the last one of the step. Its buckets may be summed while
    /// it runs.
    void begin_last_pass();

    /// Collective: returns when every gradient is its sum over all ranks. A rank that had no pass calls it
    /// too. Throws std::runtime_error when MPI or NCCL fails.
    void finish();

  private:
    class Hook;

    void ready(std::size_t parameter);
    void start_bucket();

    FlatParameters& parameters_;
    Collective& ranks_;
    std::vector<std::size_t> bucket_of_;   // bucket of each parameter
    std::vector<std::size_t> unfinished_;  // number of unfinished parameters of each bucket
    std::size_t next_ = 0;                 // the bucket to sum next; the order is the same on every rank
    bool last_pass_ = false;
    std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, std::uintptr_t>> hooks_;  // and their keys
};

/// Local: the Euclidean norm of all gradients together.
double gradient_norm(const FlatParameters& parameters);

/// Local: the factor that gives gradients of norm `norm` at most norm `max_norm`, like torch's
/// clip_grad_norm_: max_norm / (norm + 1e-6), at most 1.
double clip_factor(double norm, double max_norm);

/// Local: clips all gradients together and returns the norm that they had before. If all ranks have the
/// same gradients, the results are the same bits.
double clip_gradients(FlatParameters& parameters, double max_norm);

}  // namespace bv
