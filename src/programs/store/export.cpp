#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_set>

#include "core/error.hpp"
#include "core/log.hpp"
#include "programs/shared/feature_rows_file.hpp"
#include "programs/shared/share_of_states.hpp"
#include "programs/store/actions.hpp"
#include "states/layers.hpp"
#include "states/state_source.hpp"
#include "tensor/float8.hpp"

namespace bv {
namespace {

constexpr std::int64_t kBatch = 16;  // features

/// The numbers in `list`, such as "0,5,10-20", each below `count`. Throws Error, which names --features.
std::set<std::int64_t> parse_numbers(const std::string& list, std::int64_t count) {
    std::set<std::int64_t> numbers;
    std::stringstream items(list);
    if (list.empty() || list.ends_with(',')) fail("--features '{}': the list has an empty item", list);
    for (std::string item; std::getline(items, item, ',');) {
        const char* const end = item.data() + item.size();
        std::int64_t first = -1;
        const auto start = std::from_chars(item.data(), end, first);
        const char* rest = start.ptr;
        std::int64_t last = first;
        bool number = start.ec == std::errc();
        if (number && rest != end && *rest == '-') {
            const auto parsed = std::from_chars(rest + 1, end, last);
            number = parsed.ec == std::errc();
            rest = parsed.ptr;
        }
        if (!number || rest != end || first < 0 || last < first || last >= count) {
            fail("--features {}: '{}' is no number or range of features from 0 to {}", list, item, count - 1);
        }
        for (; first <= last; ++first) numbers.insert(first);
    }
    return numbers;
}

/// The numbers of the wanted features, ascending. Throws Error, which names flag and value.
std::vector<std::int64_t> wanted_features(const StoreToolOptions& options, const Features& features) {
    std::set<std::int64_t> numbers;
    if (options.features == "all") {
        for (std::int64_t f = 0; f < features.count(); ++f) numbers.insert(numbers.end(), f);
    } else {
        numbers = parse_numbers(options.features, features.count());
    }
    if (!options.questions.empty()) {
        std::unordered_set<std::string> missing(options.questions.begin(), options.questions.end());
        const std::unordered_set<std::string> wanted = missing;
        const auto id_of = [&](std::int64_t f) -> const std::string& {
            return features
                .questions[static_cast<std::size_t>(features.question_of[static_cast<std::size_t>(f)])]
                .id;
        };
        for (std::int64_t f = 0; f < features.count(); ++f) missing.erase(id_of(f));
        if (!missing.empty())
            fail("--questions: {} holds no feature of question '{}'", options.store.string(),
                 *missing.begin());
        std::erase_if(numbers, [&](std::int64_t f) { return !wanted.contains(id_of(f)); });
    }
    if (numbers.empty())
        fail("{}: no feature is chosen by both --features and --questions", options.store.string());
    return {numbers.begin(), numbers.end()};
}

/// The names of the states of `info`, in their order.
std::vector<std::string> names_of(const StoreInfo& info) {
    std::vector<std::string> names;
    if (info.states_before_layers() > 0) names.emplace_back("pooled");
    for (const std::int64_t layer : info.layers) names.push_back(fmt::format("layer-{:02}", layer));
    return names;
}

}  // namespace

void export_states(const StoreToolOptions& options, const Communicator& ranks) {
    std::unique_ptr<StateSource> source;
    std::vector<std::int64_t> numbers;
    ranks.agree([&] {
        if (options.output.empty()) fail("--output is missing: the safetensors file to write");
        const Layers layers = parse_layers(options.layers);
        source = open_store(options.store, 0, layers);
        numbers = wanted_features(options, source->features());
    });
    require_same_states(*source, ranks);
    const StoreInfo& info = source->info();
    const std::vector<std::string> names = names_of(info);
    std::vector<RowsTensor> tensors;
    const bool float8 = info.dtype == DType::f8;  // other programs cannot decode it: it becomes float32
    for (const std::string& name : names)
        tensors.push_back({name, float8 ? DType::f32 : info.dtype, {info.hidden_size}});
    FeatureRowsFile file(options.output, options.force, source->features(),
                         {.numbers = numbers,
                          .rows_of = source->rows_of_features(),
                          .tensors = tensors,
                          .metadata = {{"task", to_string(info.task)},
                                       {"features", info.features},
                                       {"checkpoint", info.checkpoint},
                                       {"epoch", info.epoch}}},
                         ranks);
    // Read in the order of the store, so that the disk is read in large pieces.
    std::vector<std::int64_t> order = source->layout().original;
    std::erase_if(order, [&](std::int64_t f) { return !std::ranges::binary_search(numbers, f); });
    const ReadingPlan plan{order, kBatch, at::kCPU, "exporting", "the states are not written", WhenTold::end};
    read_share(*source, plan, ranks, [&](SharedBatch& batch) {
        const StateBatch& read = batch.as_read();
        for (std::size_t s = 0; s < names.size(); ++s) {
            const at::Tensor state = read.states.select(0, static_cast<std::int64_t>(s));
            for (std::size_t b = 0; b < read.packed->examples.size(); ++b) {
                const at::Tensor own =
                    decoded(state.narrow(0, read.packed->starts[b], read.packed->rows_of(b)));
                file.write(names[s], read.packed->examples[b],
                           {static_cast<const char*>(own.const_data_ptr()), own.nbytes()});
            }
        }
    });
    file.finish();
    spdlog::info("{}: {} states of {} features", options.output.string(), names.size(), numbers.size());
}

}  // namespace bv
