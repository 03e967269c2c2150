#include "optim/gradient_sync.hpp"

#include <algorithm>

#include <ATen/ops/linalg_vector_norm.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "tensor/to_host.hpp"

namespace bv {

/// Torch calls it when a backward pass has added its part to a parameter's gradient.
class GradientSync::Hook : public torch::autograd::FunctionPostHook {
  public:
    Hook(GradientSync& sync, std::size_t parameter) : sync_(sync), parameter_(parameter) {}

    torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                              const torch::autograd::variable_list&) override {
        sync_.ready(parameter_);
        return outputs;
    }

  private:
    GradientSync& sync_;
    std::size_t parameter_;
};

GradientSync::GradientSync(FlatParameters& parameters, Collective& ranks)
    : parameters_(parameters), ranks_(ranks), bucket_of_(parameters.parameters().size()) {
    for (std::size_t b = 0; b < parameters.buckets().size(); ++b) {
        for (const std::size_t i : parameters.buckets()[b].parameters) bucket_of_[i] = b;
    }
    for (std::size_t i = 0; i < bucket_of_.size(); ++i) {
        // A variable does not own its accumulator. Without an owner the accumulator would be deleted, and the
        // hook with it.
        auto accumulator = torch::autograd::impl::grad_accumulator(parameters.parameters()[i]);
        const std::uintptr_t key = accumulator->add_post_hook(std::make_unique<Hook>(*this, i));
        hooks_.emplace_back(std::move(accumulator), key);
    }
}

GradientSync::~GradientSync() {
    for (const auto& [accumulator, key] : hooks_) accumulator->del_post_hook(key);
}

void GradientSync::begin_last_pass() {
    last_pass_ = true;
    unfinished_.clear();
    for (const FlatParameters::Bucket& bucket : parameters_.buckets())
        unfinished_.push_back(bucket.parameters.size());
}

void GradientSync::ready(std::size_t parameter) {
    if (!last_pass_) return;
    --unfinished_[bucket_of_[parameter]];
    while (next_ < unfinished_.size() && unfinished_[next_] == 0) start_bucket();
    ranks_.poll();
}

void GradientSync::start_bucket() {
    const FlatParameters::Bucket& bucket = parameters_.buckets()[next_++];
    ranks_.start_all_reduce(parameters_.gradients().data_ptr<float>() + bucket.offset, bucket.length);
}

void GradientSync::finish() {
    parameters_.check();
    while (next_ < parameters_.buckets().size()) start_bucket();
    ranks_.wait();
    next_ = 0;
    last_pass_ = false;
}

double gradient_norm(const FlatParameters& parameters) {
    // First the norms of short rows, then the norm of these in doubles. One float32 sum over all elements
    // would lose digits, and doubles from the beginning would need a copy of every gradient.
    constexpr std::int64_t kRow = 64;  // divides the length of every flat buffer
    const at::Tensor rows =
        at::linalg_vector_norm(parameters.gradients().view({-1, kRow}), 2, at::IntArrayRef{1});
    return value_of(at::linalg_vector_norm(rows.to(at::kDouble)));
}

double clip_factor(double norm, double max_norm) {
    return std::min(max_norm / (norm + 1e-6), 1.0);
}

double clip_gradients(FlatParameters& parameters, double max_norm) {
    const double norm = gradient_norm(parameters);
    const double factor = clip_factor(norm, max_norm);
    if (factor < 1.0) parameters.gradients().mul_(factor);
    return norm;
}

}  // namespace bv
