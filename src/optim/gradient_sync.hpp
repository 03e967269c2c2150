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

/// Sums gradients over all ranks, a bucket as soon as the backward pass has finished its gradients (Li et al.
/// 2020, PyTorch Distributed), so that the sums run beside the rest of it.
class GradientSync {
  public:
    /// Local. Both must outlive this object.
    GradientSync(FlatParameters& parameters, Collective& ranks);
    ~GradientSync();
    GradientSync(const GradientSync&) = delete;
    GradientSync& operator=(const GradientSync&) = delete;

    /// Local: says that the next backward pass is the step's last, so that buckets may be summed during it.
    void begin_last_pass();

    /// Collective: returns when every gradient is its sum over all ranks, whether or not this rank had a
    /// pass.
    void finish();

  private:
    class Hook;

    void ready(std::size_t parameter);
    void start_bucket();

    FlatParameters& parameters_;
    Collective& ranks_;
    std::vector<std::size_t> bucket_of_;   // parameter
    std::vector<std::size_t> unfinished_;  // parameters of each bucket in the pass
    std::size_t next_ = 0;                 // bucket to start: the same order on every rank
    bool last_pass_ = false;
    std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, std::uintptr_t>> hooks_;  // and their keys
};

/// Local: the Euclidean norm of all gradients together.
double gradient_norm(const FlatParameters& parameters);

/// Local: what gradients of norm `norm` are multiplied with to have at most norm `max_norm`, as torch's
/// clip_grad_norm_: max_norm / (norm + 1e-6), at most 1.
double clip_factor(double norm, double max_norm);

/// Local: clips all gradients together. The same gradients on every rank give the same bits. Returns the norm
/// before.
double clip_gradients(FlatParameters& parameters, double max_norm);

}  // namespace bv
