#include "programs/extract/block_maker.hpp"

#include <algorithm>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/pretrained.hpp"
#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "states/task_states.hpp"
#include "tensor/float8.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {

BlockMaker::BlockMaker(const Features& features, const Model& model, const StoreInfo& info,
                       const StoreLayout& layout, std::int64_t batch_tokens)
    : features_(features),
      model_(model),
      info_(info),
      layout_(layout),
      batch_tokens_(batch_tokens),
      tokens_of_(features.token_counts()),
      copies_(model.device()) {}

std::vector<std::int64_t> BlockMaker::features_in(std::int64_t block) const {
    const auto begin = layout_.original.begin() + layout_.first_position(block);
    return {begin, begin + layout_.positions_of(block)};
}

std::int64_t BlockMaker::tokens(std::int64_t block) const {
    std::int64_t sum = 0;
    for (const std::int64_t f : features_in(block)) sum += features_.tokens_of(f);
    return sum;
}

at::Tensor BlockMaker::buffer() const {
    std::int64_t rows = 0;
    for (std::int64_t b = 0; b < layout_.blocks(); ++b) rows = std::max(rows, layout_.rows_of(b));
    return host_memory({info_.states() * rows * info_.row_elements()}, scalar_type_of(info_.dtype),
                       model_.device());
}

void BlockMaker::make(std::int64_t block, const at::Tensor& buffer) {
    const c10::NoGradGuard no_graph;
    const std::int64_t rows = layout_.rows_of(block);
    const at::Tensor made = buffer.narrow(0, 0, info_.states() * rows * info_.row_elements())
                                .view({info_.states(), rows, info_.row_elements()});
    const bool bytes = info_.dtype == DType::f8;
    std::int64_t row = 0;
    for (const auto& which : cut_by_tokens(features_in(block), tokens_of_, batch_tokens_)) {
        const std::vector<at::Tensor> states =
            task_states(model_, make_batch(features_, which).to(model_.device()));
        const std::int64_t count = states.front().size(0);
        for (std::int64_t s = 0; s < info_.states(); ++s) {
            const at::Tensor& state = states[source_of(s)];
            copies_.to_host(bytes ? to_float8(state) : state, made[s].narrow(0, row, count));
        }
        row += count;
    }
    copies_.wait();
    const bool finite =
        bytes ? float8_finite(made) : all_finite(info_.dtype, made.const_data_ptr(), made.numel());
    if (!finite) complain(block);
}

/// The index in task_states of the tensor that the store keeps as its state number `state`.
std::size_t BlockMaker::source_of(std::int64_t state) const {
    const std::int64_t before = info_.states_before_layers();
    return static_cast<std::size_t>(
        state < before ? state : info_.layers[static_cast<std::size_t>(state - before)] + before);
}

/// Computes a block again and throws Error, which names the first question whose states cannot be kept, and
/// the reason.
void BlockMaker::complain(std::int64_t block) const {
    for (const auto& which : cut_by_tokens(features_in(block), tokens_of_, batch_tokens_)) {
        const Batch batch = make_batch(features_, which).to(model_.device());
        const std::vector<at::Tensor> states = task_states(model_, batch);
        require_finite(states, batch, features_);
        if (info_.dtype == DType::f8) continue;  // its rows have a scale and so float32's range
        for (std::int64_t s = 0; s < info_.states(); ++s) {
            const at::Tensor kept = states[source_of(s)].to(scalar_type_of(info_.dtype));
            if (const auto question = question_not_finite(kept, batch, features_)) {
                fail(
                    "question {}: a hidden state leaves the range of {}; use --dtype float8, bfloat16 or "
                    "float32",
                    *question, name_of(info_.dtype));
            }
        }
    }
    throw std::runtime_error(fmt::format(
        "block {} had states that were not finite, but all are finite when it is computed again", block));
}

}  // namespace bv
