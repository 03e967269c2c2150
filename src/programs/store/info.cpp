#include <cstdint>
#include <string>

#include <fmt/ranges.h>

#include "core/size_text.hpp"
#include "core/standard_streams.hpp"
#include "programs/store/actions.hpp"
#include "programs/store/opened_store.hpp"

namespace bv {
namespace {

std::string text_of(const OpenedStore& opened) {
    const Store& store = opened.store;
    const StoreInfo& info = store.info();
    const StoreLayout& layout = store.layout();
    const auto missing = static_cast<std::int64_t>(store.records().missing().size());
    const bool span = info.task == Task::span;
    const auto size = static_cast<double>(store.state_bytes());
    const double reference = 4.0 * static_cast<double>(info.states() * info.hidden_size * store.features()) *
                             static_cast<double>(span ? opened.features.settings.max_tokens : 1);
    std::string text = fmt::format(
        "{}: an embedding store, {}\n", store.path().string(),
        missing == 0 ? "complete" : fmt::format("{} of {} blocks missing", missing, layout.blocks()));
    text += fmt::format("  made from   epoch {} of {}, weights {}\n", info.epoch, info.checkpoint_path,
                        info.checkpoint);
    text += fmt::format("              {}, features {}\n", info.features_path, info.features);
    text += fmt::format("  task        {}, matrix products in {}\n", info.task, name_of(info.precision));
    text += fmt::format(
        "  states      {}{} of width {} in {}\n", span ? "" : "pooled output and CLS of ",
        fmt::format("layer{} {}", info.layers.size() == 1 ? "" : "s", fmt::join(info.layers, ", ")),
        info.hidden_size, name_of(info.dtype));
    text += fmt::format(
        "  features    {}{}\n", store.features(),
        span ? fmt::format(", {} tokens, {:.1f} each", store.rows(),
                           static_cast<double>(store.rows()) / static_cast<double>(store.features()))
             : "");
    text += fmt::format("  blocks      {}, {} each on average\n", layout.blocks(),
                        size_text(size / static_cast<double>(layout.blocks())));
    text += fmt::format("  size        {}; in the reference's layout ({}float32) {}, {:.1f} times as much\n",
                        size_text(size),
                        span ? fmt::format("padded to {} tokens, ", opened.features.settings.max_tokens) : "",
                        size_text(reference), reference / size);
    return text;
}

}  // namespace

void print_info(const StoreToolOptions& options, const Communicator& ranks) {
    ranks.root_only([&] { print_results(text_of(OpenedStore(options.store))); });
}

}  // namespace bv
