#include "programs/shared/bert_logits.hpp"

#include <numeric>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/batch.hpp"
#include "comm/sharding.hpp"
#include "core/progress.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

/// The largest number of tokens in a forward pass: enough to keep a GPU busy, few enough for its memory.
constexpr std::int64_t kPassTokens = 8192;

/// The passes of this rank. All features are first cut into passes, which then go to ranks: the bits of a
/// matrix product may depend on its number of rows, so a pass must not depend on the number of ranks.
std::vector<std::vector<std::int64_t>> passes_of(const std::vector<std::int64_t>& tokens_of,
                                                 const Communicator& ranks) {
    std::vector<std::int64_t> features(tokens_of.size());
    std::iota(features.begin(), features.end(), std::int64_t{0});
    const auto passes = cut_by_tokens(features, tokens_of, kPassTokens);
    std::vector<std::int64_t> numbers(passes.size());
    std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
    std::vector<std::int64_t> tokens_in;
    for (const auto& pass : passes) {
        std::int64_t tokens = 0;
        for (const std::int64_t feature : pass) tokens += tokens_of[static_cast<std::size_t>(feature)];
        tokens_in.push_back(tokens);
    }
    const auto shares = split_by_tokens(numbers, tokens_in, ranks.size());
    std::vector<std::vector<std::int64_t>> own;
    for (const std::int64_t number : shares[static_cast<std::size_t>(ranks.rank())]) {
        own.push_back(passes[static_cast<std::size_t>(number)]);
    }
    return own;
}

std::vector<float> copy_of(const at::Tensor& values) {
    const at::Tensor flat = values.contiguous();
    return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

}  // namespace

Logits predict(const Model& model, const Features& features, const std::string& fingerprint,
               const Communicator& ranks, Collective& collective, WhenTold when) {
    const c10::NoGradGuard no_graph;
    const bool span = model.task() == Task::span;
    const std::vector<std::int64_t> tokens_of = features.token_counts();
    const auto passes = passes_of(tokens_of, ranks);
    std::int64_t own = 0;
    for (const auto& which : passes) own += static_cast<std::int64_t>(which.size());

    at::Tensor all = at::zeros({span ? features.tokens() : features.count(), 2},
                               at::device(model.device()).dtype(at::kFloat));
    Progress progress(fmt::format("predicting rank {}'s share", ranks.rank()), "features", own,
                      !ranks.is_root());
    bool cut_short = false;
    for (const std::vector<std::int64_t>& which : passes) {
        cut_short = ends_now(when);
        if (cut_short) break;
        const Batch batch = make_batch(features, which).to(model.device());
        const at::Tensor logits = model.logits(batch);
        for (std::size_t b = 0; b < which.size(); ++b) {
            const auto feature = static_cast<std::size_t>(which[b]);
            const std::int64_t rows = span ? tokens_of[feature] : 1;
            all.narrow(0, span ? features.starts[feature] : which[b], rows)
                .copy_(logits.narrow(0, span ? batch.packed->starts[b] : static_cast<std::int64_t>(b), rows));
        }
        progress.advance(static_cast<std::int64_t>(which.size()));
    }
    end_together(cut_short, "no results are written", ranks);
    // Every row was computed by one rank and is zero on the others.
    collective.all_reduce(all.data_ptr<float>(), all.numel());
    const at::Tensor host = to_host(all);  // waits for a GPU, so that its last pass is in the time
    progress.finish();
    if (span) return SpanLogits{fingerprint, copy_of(host.select(1, 0)), copy_of(host.select(1, 1))};
    return ClassLogits{fingerprint, copy_of(host)};
}

}  // namespace bv
