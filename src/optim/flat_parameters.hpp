#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// Trained tensors and their gradients in one flat float32 buffer each, so that few all-reduces and optimizer
/// calls serve them all. Layout: buckets, the last parameters first, because their gradients are ready first;
/// within a bucket [decay | no decay], every parameter at a multiple of 64 elements, zeros between. Several
/// models alike have a row of the buffers each.
///
/// Forbidden from then on: zero_grad() of a module, which drops the gradients' views; moving or replacing a
/// parameter.
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

    /// Moves `parameters` (leaves, float32, all on one device) into a new buffer, with their values; each
    /// becomes a view of it, requires a gradient, and has a zero gradient. `decays[i]` says whether parameter
    /// i takes weight decay. A bucket is closed once it has `bucket_elements`. Of several `rows` each
    /// parameter is (rows, ...), a row of its values in each.
    FlatParameters(std::vector<at::Tensor> parameters, const std::vector<bool>& decays,
                   std::int64_t bucket_elements = std::numeric_limits<std::int64_t>::max(),
                   std::int64_t rows = 1);

    /// As handed over: views of the buffers now.
    const std::vector<at::Tensor>& parameters() const { return parameters_; }

    /// (rows * elements) All values, and all gradients. The loss's backward pass adds into the gradients.
    const at::Tensor& values() const { return values_; }
    const at::Tensor& gradients() const { return gradients_; }

    std::int64_t rows() const { return rows_; }

    /// The length of a row: parameters and the zeros between them.
    std::int64_t elements() const { return values_.numel() / rows_; }

    /// In the order in which a backward pass finishes their gradients.
    const std::vector<Bucket>& buckets() const { return buckets_; }

    /// Parts of one kind; none is empty.
    const std::vector<Segment>& segments() const { return segments_; }

    /// Sets every gradient to 0, before the backward passes of a step.
    void zero_gradients();

    /// Expects every parameter and its gradient to be the views made here (a broken contract otherwise).
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
