#include "stages/predict.hpp"

#include <numeric>
#include <vector>

#include <ATen/ATen.h>

#include "bert/batch.hpp"
#include "core/progress.hpp"
#include "dist/sharding.hpp"

namespace bv {
namespace {

/// Tokens of one forward pass: enough for a GPU to be busy, few enough for its memory.
constexpr std::int64_t kBatchTokens = 8192;

std::vector<float> copy_of(const at::Tensor& values) {
    const at::Tensor flat = values.contiguous();
    return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

}  // namespace

Logits predict(const Model& model, const Features& features, const std::string& fingerprint,
               const Communicator& ranks, Collective& collective) {
    const at::NoGradGuard no_graph;
    const bool span = model.task() == Task::span;
    std::vector<std::int64_t> order(static_cast<std::size_t>(features.count()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const std::vector<std::int64_t> tokens_of = features.token_counts();
    const auto share =
        split_by_tokens(order, tokens_of, ranks.size())[static_cast<std::size_t>(ranks.rank())];

    at::Tensor all = at::zeros({span ? features.tokens() : features.count(), 2},
                               at::device(model.device()).dtype(at::kFloat));
    Progress progress(fmt::format("predicting rank {}'s share", ranks.rank()), "features",
                      static_cast<std::int64_t>(share.size()), !ranks.is_root());
    for (const std::vector<std::int64_t>& which : cut_by_tokens(share, tokens_of, kBatchTokens)) {
        const Batch batch = make_batch(features, which).to(model.device());
        const at::Tensor logits = model.logits(batch);
        for (std::size_t b = 0; b < which.size(); ++b) {
            const auto feature = static_cast<std::size_t>(which[b]);
            const std::int64_t rows = span ? tokens_of[feature] : 1;
            all.narrow(0, span ? features.starts[feature] : which[b], rows)
                .copy_(logits.narrow(0, span ? batch.starts[b] : static_cast<std::int64_t>(b), rows));
        }
        progress.advance(static_cast<std::int64_t>(which.size()));
    }
    // Every row was computed by one rank and is zero on the others.
    collective.all_reduce(all.data_ptr<float>(), all.numel());
    progress.finish();
    const at::Tensor host = all.cpu();
    if (span) return SpanLogits{fingerprint, copy_of(host.select(1, 0)), copy_of(host.select(1, 1))};
    return ClassLogits{fingerprint, copy_of(host)};
}

}  // namespace bv
