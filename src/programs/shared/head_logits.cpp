#include "programs/shared/head_logits.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "programs/shared/share_of_states.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

std::vector<float> column(const at::Tensor& logits, std::int64_t index) {
    const at::Tensor values = logits.select(1, index).contiguous();
    return {values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel()};
}

Logits as_logits(const StateSource& source, const at::Tensor& logits) {
    const std::string& features = source.info().features;
    if (source.info().task == Task::span) return SpanLogits{features, column(logits, 0), column(logits, 1)};
    return ClassLogits{features,
                       {logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()}};
}

}  // namespace

std::optional<std::string> question_not_finite(const Features& features, const Logits& logits) {
    return std::visit([&](const auto& own) { return question_not_finite(features, own); }, logits);
}

void require_finite(const Features& features, const Logits& logits, const std::string& source) {
    if (const auto question = question_not_finite(features, logits))
        fail("{}: its logits for question {} are NaN or infinite, so they cannot be scored", source,
             *question);
}

std::vector<Logits> predict_heads(const std::vector<ReadingHead>& heads, const StateSource& source,
                                  std::int64_t batch, at::Device device, const Communicator& ranks,
                                  Collective& collective, WhenTold when) {
    const c10::NoGradGuard no_graph;
    std::vector<std::int64_t> first_row{0};
    for (const std::int64_t rows : source.rows_of_features()) first_row.push_back(first_row.back() + rows);

    std::vector<at::Tensor> all;
    for (const ReadingHead& reading : heads) {
        all.push_back(
            at::zeros({reading.head->heads(), first_row.back(), 2}, at::device(device).dtype(at::kFloat)));
    }
    const ReadingPlan plan{source.layout().original, batch, device, "predicting",
                           "no results are written", when};
    read_share(source, plan, ranks, [&](SharedBatch& shared) {
        const PackedSequences& packed = *shared.as_read().packed;
        for (std::size_t k = 0; k < heads.size(); ++k) {
            const Head& head = *heads[k].head;
            const at::Tensor logits = head.forward(shared.of(head, heads[k].first_state));
            for (std::size_t b = 0; b < packed.examples.size(); ++b) {
                const std::int64_t rows = packed.rows_of(b);
                all[k]
                    .narrow(1, first_row[static_cast<std::size_t>(packed.examples[b])], rows)
                    .copy_(logits.narrow(1, packed.starts[b], rows));
            }
        }
    });
    std::vector<Logits> results;
    for (const at::Tensor& logits : all) {
        // Every row was computed by one rank and is zero on the others.
        collective.all_reduce(logits.data_ptr<float>(), logits.numel());
        for (const at::Tensor& of_head : to_host(logits).unbind(0))
            results.push_back(as_logits(source, of_head));
    }
    return results;
}

std::int64_t first_state(const Head& head, const HeadOrigin& origin, const StoreInfo& info) {
    if (!head.definition().each_layer) return 0;
    const auto found = std::find(info.layers.begin(), info.layers.end(), origin.layers.front());
    return info.states_before_layers() + (found - info.layers.begin());
}

bool require_head_fits(const Head& head, const HeadOrigin& origin, const StateSource& source,
                       bool allow_other_checkpoint) {
    const StoreInfo& info = source.info();
    const HeadDefinition& definition = head.definition();
    if (info.task != definition.task) {
        fail("head {} is for the {} task, but {} holds states for {}", definition.name, definition.task,
             source.name(), info.task);
    }
    const bool layers = definition.each_layer ? std::ranges::includes(info.layers, origin.layers)
                                              : info.layers == origin.layers;
    if (info.hidden_size != head.hidden_size() || !layers) {
        fail(
            "head {} reads states of width {} from the layers {}, but {} holds states of width {} from the "
            "layers {}",
            definition.name, head.hidden_size(), fmt::join(origin.layers, ","), source.name(),
            info.hidden_size, fmt::join(info.layers, ","));
    }
    const bool other = info.checkpoint != origin.checkpoint;
    if (other && !allow_other_checkpoint) {
        fail(
            "{} holds states of another checkpoint ({}, epoch {}) than head {} was trained on ({}, epoch "
            "{}); --allow-other-checkpoint allows this",
            source.name(), info.checkpoint, info.epoch, definition.name, origin.checkpoint, origin.epoch);
    }
    return other;
}

}  // namespace bv
