#include "optim/flat_parameters.hpp"

#include "core/error.hpp"
#include "tensor/huge_pages.hpp"

namespace bv {
namespace {

// The bits that the fused optimizer computes depend on the place of an element in its vector register. So
// every parameter begins at the same place in one.
constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t elements) {
    return (elements + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

FlatParameters::FlatParameters(std::vector<at::Tensor> parameters, const std::vector<bool>& decays,
                               std::int64_t bucket_elements, std::int64_t rows)
    : rows_(rows), parameters_(std::move(parameters)), offsets_(parameters_.size()) {
    BV_EXPECT(!parameters_.empty() && parameters_.size() == decays.size());
    std::int64_t filled = bucket_elements;
    for (std::size_t i = parameters_.size(); i-- > 0;) {
        if (filled >= bucket_elements) {
            buckets_.emplace_back();
            filled = 0;
        }
        buckets_.back().parameters.push_back(i);
        filled += parameters_[i].numel();
    }
    std::int64_t end = 0;
    for (Bucket& bucket : buckets_) {
        bucket.offset = end;
        for (const bool decay : {true, false}) {
            const std::int64_t begin = end;
            for (const std::size_t i : bucket.parameters) {
                if (decays[i] != decay) continue;
                offsets_[i] = end;
                end += aligned(parameters_[i].numel() / rows);
            }
            if (end > begin) segments_.push_back({begin, end - begin, decay});
        }
        bucket.length = end - bucket.offset;
    }
    const auto options = parameters_[0].options().requires_grad(false);
    BV_EXPECT(parameters_[0].scalar_type() == at::kFloat);
    values_ = zeros_in_huge_pages(rows * end, options);
    gradients_ = zeros_in_huge_pages(rows * end, options);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        at::Tensor& parameter = parameters_[i];
        BV_EXPECT(parameter.is_leaf() && parameter.scalar_type() == at::kFloat);
        BV_EXPECT(parameter.device() == values_.device());
        BV_EXPECT(rows == 1 || parameter.size(0) == rows);
        const at::Tensor place = part_of(values_, i);
        place.copy_(parameter.detach());
        // set_data keeps the parameter a leaf; a view made under no-grad would not be one, and autocast
        // caches 16-bit copies only of leaves.
        parameter.set_data(place);
        parameter.set_requires_grad(true);
        parameter.mutable_grad() = part_of(gradients_, i);
    }
}

at::Tensor FlatParameters::part_of(const at::Tensor& buffer, std::size_t parameter) const {
    const at::Tensor& like = parameters_[parameter];
    return buffer.view({rows_, -1}).narrow(1, offsets_[parameter], like.numel() / rows_).view(like.sizes());
}

void FlatParameters::zero_gradients() {
    check();
    gradients_.zero_();
}

void FlatParameters::check() const {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const at::Tensor& parameter = parameters_[i];
        BV_EXPECT(parameter.data_ptr<float>() == values_.data_ptr<float>() + offsets_[i]);
        BV_EXPECT(parameter.grad().defined());
        BV_EXPECT(parameter.grad().data_ptr<float>() == gradients_.data_ptr<float>() + offsets_[i]);
    }
}

}  // namespace bv
