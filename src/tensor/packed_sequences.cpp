#include "tensor/packed_sequences.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <ATen/ATen.h>

namespace bv {

std::vector<std::int64_t> PackedSequences::lengths() const {
    std::vector<std::int64_t> all(examples.size());
    for (std::size_t b = 0; b < all.size(); ++b) all[b] = rows_of(b);
    return all;
}

std::int64_t PackedSequences::longest() const {
    std::int64_t longest = 0;
    for (std::size_t b = 0; b < examples.size(); ++b) longest = std::max(longest, rows_of(b));
    return longest;
}

at::Tensor PackedSequences::first_rows() const {
    return packing.narrow(0, 0, sequences());
}

PackedSequences PackedSequences::with(const std::function<at::Tensor(const at::Tensor&)>& change) const {
    PackedSequences changed = *this;
    for (at::Tensor* tensor : {&changed.bounds, &changed.packing, &changed.start_labels, &changed.end_labels,
                               &changed.no_answer}) {
        *tensor = change(*tensor);
    }
    return changed;
}

PackedSequences PackedSequences::to(at::Device device) const {
    return with([device](const at::Tensor& tensor) { return tensor.to(device); });
}

PackedSequences PackedSequences::with_examples(std::vector<std::int64_t> others) const {
    PackedSequences renamed = *this;
    renamed.packing =
        at::cat({packing.narrow(0, 0, sequences() + 1), at::tensor(others, at::kLong).to(packing.device())});
    renamed.examples = std::move(others);
    return renamed;
}

PackedSequences PackedSequences::one_row_each() const {
    PackedSequences one = *this;
    std::iota(one.starts.begin(), one.starts.end(), std::int64_t{0});
    one.bounds = at::arange(sequences() + 1, bounds.options());
    one.packing = at::cat(
        {at::arange(sequences() + 1, packing.options()), packing.narrow(0, sequences() + 1, sequences())});
    return one;
}

PackedSequences pack(std::vector<std::int64_t> examples, std::span<const std::int64_t> lengths) {
    PackedSequences packed;
    packed.examples = std::move(examples);
    for (const std::int64_t length : lengths) packed.starts.push_back(packed.starts.back() + length);
    packed.bounds = at::tensor(packed.starts, at::kInt);
    packed.packing = at::cat({at::tensor(packed.starts, at::kLong), at::tensor(packed.examples, at::kLong)});
    packed.start_labels = packed.end_labels = packed.no_answer = at::zeros({packed.sequences()}, at::kLong);
    return packed;
}

}  // namespace bv
