#include "programs/eval/pooled.hpp"

#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/log.hpp"
#include "programs/eval/head.hpp"
#include "programs/shared/feature_rows_file.hpp"
#include "programs/shared/share_of_states.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

/// The result of all blocks but the last one for a batch, in host memory: (N, W), or (N, C, W).
at::Tensor rows_of(const HeadOverStates& opened, SharedBatch& batch) {
    const Head& head = opened.trained.head;
    const at::Tensor made = head.before_last_block(batch.of(head, opened.first_state))[0];
    const at::Tensor rows = made.dim() == 3 ? made.transpose(0, 1) : made;
    return to_host(rows.to(at::kFloat).contiguous());
}

/// The numbers of all features.
std::vector<std::int64_t> all_of(const Features& features) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(features.count()));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
}

}  // namespace

void write_pooled(const EvalOptions& options, const Communicator& ranks) {
    const c10::NoGradGuard no_graph;
    Compute compute = open_device(options.compute, ranks);
    const HeadOverStates opened = open_head(options, compute, ranks);
    const StateSource& source = *opened.source;
    const StoreInfo& info = source.info();
    std::map<std::string, std::string> origin;
    ranks.agree([&] {
        if (source.features().count() == 0) fail("{} holds no features", source.name());
        origin = {{"head", opened.trained.head.definition().name},
                  {"head_fingerprint", opened.fingerprint},
                  {"task", to_string(info.task)},
                  {"features", info.features},
                  {"checkpoint", info.checkpoint},
                  {"epoch", info.epoch}};
    });
    const std::vector<std::int64_t> row = opened.trained.head.shape_before_last_block();
    FeatureRowsFile file(options.pooled, options.force, source.features(),
                         {.numbers = all_of(source.features()),
                          .rows_of = source.rows_of_features(),
                          .tensors = {{"pooled", DType::f32, row}},
                          .metadata = origin},
                         ranks);
    const ReadingPlan plan{source.layout().original,
                           kHeadBatch,
                           compute.device,
                           "pooling",
                           "the pooled states are not written",
                           WhenTold::end};
    read_share(source, plan, ranks, [&](SharedBatch& batch) {
        const at::Tensor rows = rows_of(opened, batch);
        const PackedSequences& packed = *batch.as_read().packed;
        for (std::size_t b = 0; b < packed.examples.size(); ++b) {
            const at::Tensor own = rows.narrow(0, packed.starts[b], packed.rows_of(b));
            file.write("pooled", packed.examples[b],
                       {static_cast<const char*>(own.const_data_ptr()), own.nbytes()});
        }
    });
    file.finish();
    spdlog::info("{}: rows ({}) of {} features", options.pooled.string(), fmt::join(row, ", "),
                 source.features().count());
}

}  // namespace bv
