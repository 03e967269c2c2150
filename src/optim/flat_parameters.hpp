#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// Trained tensors in one flat float32 buffer, and their gradients in another, so that a few all-reduces and
/// optimizer calls handle all of them. The buffers consist of buckets. The last parameters come first,
/// because their gradients are ready first. Within a bucket the parameters with weight decay stand before
/// those without. Every parameter begins at a multiple of 64 elements, with zeros between. If several models
/// of the same shape are trained together, each has a row of the buffers.
///
/// Forbidden from then on: to call zero_grad() of a module, which drops the gradients' views, and to move or
/// replace a parameter.
class FlatParameters {
  public:
    /// A part of a row, in elements; its length is a multiple of 64.
    struct Segment {
        std::int64_t offset;
        std::int64_t length;
        bool decay;  ///< whether weight decay applies
    };

    /// A part of a row whose gradients are summed over ranks together, in elements.
    struct Bucket {
        std::int64_t offset = 0;
        std::int64_t length = 0;
        std::vector<std::size_t> parameters;  ///< places in the constructor's list
    };

    /// Moves `parameters` (leaves, float32, all on one device) and their values into a new buffer. Each
    /// becomes a view of it, requires a gradient, and has a zero gradient. `decays[i]` says whether weight
    /// decay applies to parameter i. When a bucket has at least `bucket_elements` elements, the next one
    /// begins. With several `rows` each parameter has the shape (rows, ...): one slice for each row. A
    /// parameter of another kind breaks a contract (std::logic_error).
    FlatParameters(std::vector<at::Tensor> parameters, const std::vector<bool>& decays,
                   std::int64_t bucket_elements = std::numeric_limits<std::int64_t>::max(),
                   std::int64_t rows = 1);

    /// The constructor's list; the parameters are views of the buffers now.
    const std::vector<at::Tensor>& parameters() const { return parameters_; }

    /// (rows * elements) All values, and all gradients. The backward pass adds to the gradients.
    const at::Tensor& values() const { return values_; }
    const at::Tensor& gradients() const { return gradients_; }

    std::int64_t rows() const { return rows_; }

    /// The number of elements of a row: the parameters and the zeros between them.
    std::int64_t elements() const { return values_.numel() / rows_; }

    /// The buckets in the order in which a backward pass finishes their gradients.
    const std::vector<Bucket>& buckets() const { return buckets_; }

    /// The parts of a row in which all parameters have weight decay or none has; no part is empty.
    const std::vector<Segment>& segments() const { return segments_; }

    /// Sets every gradient to 0, before the backward passes of a step.
    void zero_gradients();

    /// Throws std::logic_error if a parameter or its gradient is no longer the view that was made here.
    void check() const;

  private:
    at::Tensor part_of(const at::Tensor& buffer, std::size_t parameter) const;

    std::int64_t rows_;
    std::vector<at::Tensor> parameters_;
    std::vector<std::int64_t> offsets_;
    std::vector<Bucket> buckets_;
    std::vector<Segment> segments_;
    at::Tensor values_;
    at::Tensor gradients_;
};

}  // namespace bv
