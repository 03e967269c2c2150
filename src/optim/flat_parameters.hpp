#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// Trained tensors and their gradients in one flat float32 buffer each, so that one all-reduce and one
/// optimizer call serve them all. Layout: [decay | no decay], every parameter at a multiple of 64 elements,
/// zeros between.
///
/// Forbidden from then on: zero_grad() of a module, which drops the gradients' views; moving or replacing a
/// parameter.
class FlatParameters {
  public:
    /// A part of the buffers, in elements; its length is a multiple of 64.
    struct Segment {
        std::int64_t offset;
        std::int64_t length;
        bool decay;  ///< whether weight decay applies
    };

    /// Moves `parameters` (leaves, float32, all on one device) into a new buffer, with their values; each
    /// becomes a view of it, requires a gradient, and has a zero gradient. `decays[i]` says whether parameter
    /// i takes weight decay.
    FlatParameters(std::vector<at::Tensor> parameters, const std::vector<bool>& decays);

    /// (elements) All values, and all gradients. The loss's backward pass adds into the gradients.
    const at::Tensor& values() const { return values_; }
    const at::Tensor& gradients() const { return gradients_; }

    /// The buffers' length: parameters and the zeros between them.
    std::int64_t elements() const { return values_.numel(); }

    /// The parts that are not empty: decay first.
    const std::vector<Segment>& segments() const { return segments_; }

    /// Sets every gradient to 0, before the backward passes of a step.
    void zero_gradients();

    /// Expects every parameter and its gradient to be the views made here (a broken contract otherwise).
    void check() const;

  private:
    std::vector<at::Tensor> parameters_;
    std::vector<std::int64_t> offsets_;
    std::vector<Segment> segments_;
    at::Tensor values_;
    at::Tensor gradients_;
};

}  // namespace bv
