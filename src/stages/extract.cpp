#include "stages/extract.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <sstream>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/command_line.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "dist/sharding.hpp"
#include "dist/watchdog.hpp"
#include "optim/checkpoint.hpp"
#include "optim/tensor_files.hpp"
#include "squad/features_file.hpp"
#include "stages/fit.hpp"
#include "stages/task_states.hpp"
#include "store/store_writer.hpp"

namespace bv {
namespace {

std::vector<std::int64_t> parse_layers(const std::string& text, const BertConfig& config) {
    std::vector<std::int64_t> layers;
    if (text == "all") {
        layers.resize(static_cast<std::size_t>(config.states()));
        std::iota(layers.begin(), layers.end(), 0);
        return layers;
    }
    std::stringstream list(text);
    for (std::string item; std::getline(list, item, ',');) {
        std::int64_t layer = -1;
        const auto [end, wrong] = std::from_chars(item.data(), item.data() + item.size(), layer);
        if (wrong != std::errc() || end != item.data() + item.size() || layer < 0 ||
            layer >= config.states()) {
            fail("--layers {}: '{}' is no hidden state of this model, which has 0 (embedding output) to {}",
                 text, item, config.layers);
        }
        layers.push_back(layer);
    }
    std::sort(layers.begin(), layers.end());
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    if (layers.empty()) fail("--layers names no hidden state; give 'all' or a list such as 0,12,24");
    return layers;
}

StoreInfo describe(const ExtractOptions& options, const CommandLine& line, const BertConfig& config,
                   const Features& features) {
    StoreInfo info;
    info.task = options.task;
    info.dtype = dtype_named(options.dtype);
    info.layers = parse_layers(options.layers, config);
    info.hidden_size = config.hidden_size;
    info.checkpoint = weights_fingerprint(options.checkpoint);
    info.epoch = "0";
    if (const auto known = read_checkpoint(options.checkpoint)) {
        if (known->task != options.task) {
            fail("{} was fine-tuned for task {}, not {}", options.checkpoint.string(), known->task,
                 options.task);
        }
        info.epoch = known->epoch.text();
    }
    info.features = features.fingerprint();
    info.config = line.resolved();
    return info;
}

/// Computes the blocks of a store.
class BlockMaker {
  public:
    BlockMaker(const Features& features, const Model& model, const StoreInfo& info, const StoreLayout& layout,
               std::int64_t batch_tokens)
        : features_(features), model_(model), info_(info), layout_(layout), batch_tokens_(batch_tokens) {}

    /// Tokens the encoder sees for a block.
    std::int64_t tokens(std::int64_t block) const {
        std::int64_t sum = 0;
        for (const std::int64_t p : positions(block)) sum += features_.tokens_of(feature(p));
        return sum;
    }

    /// The block's states, (states, rows of the block, H) on the CPU in the store's element type.
    at::Tensor make(std::int64_t block) const {
        const c10::NoGradGuard no_graph;
        const at::Tensor made = at::empty({info_.states(), layout_.rows_of(block), info_.hidden_size},
                                          scalar_type_of(info_.dtype));
        for (const auto& batch : batches(block)) fill(made, layout_.first_row(block), batch);
        return made;
    }

  private:
    std::int64_t feature(std::int64_t position) const {
        return layout_.original[static_cast<std::size_t>(position)];
    }

    std::vector<std::int64_t> positions(std::int64_t block) const {
        const auto b = static_cast<std::size_t>(block);
        std::vector<std::int64_t> all(
            static_cast<std::size_t>(layout_.block_starts[b + 1] - layout_.block_starts[b]));
        std::iota(all.begin(), all.end(), layout_.block_starts[b]);
        return all;
    }

    /// The block's positions, longest first, in batches of at most `batch_tokens_` tokens (but at least one
    /// sequence): sequences of one length make the best attention batches.
    std::vector<std::vector<std::int64_t>> batches(std::int64_t block) const {
        auto order = positions(block);
        std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
            return features_.tokens_of(feature(a)) > features_.tokens_of(feature(b));
        });
        std::vector<std::vector<std::int64_t>> batches;
        std::int64_t filled = batch_tokens_;
        for (const std::int64_t p : order) {
            const std::int64_t length = features_.tokens_of(feature(p));
            if (filled + length > batch_tokens_ || batches.empty()) {
                batches.emplace_back();
                filled = 0;
            }
            batches.back().push_back(p);
            filled += length;
        }
        return batches;
    }

    /// Puts the states of a batch of positions to their rows of `made`, whose row 0 is row `first_row` of the
    /// store.
    void fill(const at::Tensor& made, std::int64_t first_row, const std::vector<std::int64_t>& batch) const {
        std::vector<std::int64_t> which;
        for (const std::int64_t p : batch) which.push_back(feature(p));
        const std::vector<at::Tensor> states =
            task_states(model_, make_batch(features_, which).to(model_.device()));
        // Before the layers, task_states has the pooled output in the classification task.
        const std::int64_t before = info_.states() - static_cast<std::int64_t>(info_.layers.size());
        for (std::int64_t s = 0; s < info_.states(); ++s) {
            const std::int64_t source =
                s < before ? s : info_.layers[static_cast<std::size_t>(s - before)] + before;
            const at::Tensor values =
                states[static_cast<std::size_t>(source)].to(at::kCPU, made.scalar_type());
            if (!values.isfinite().all().item<bool>()) {
                fail("state {} of a batch leaves the range of {}; use --dtype bfloat16 or float32", s,
                     name_of(info_.dtype));
            }
            std::int64_t begin = 0;
            for (const std::int64_t p : batch) {
                const auto at = static_cast<std::size_t>(p);
                const std::int64_t rows = layout_.starts[at + 1] - layout_.starts[at];
                made[s].narrow(0, layout_.starts[at] - first_row, rows).copy_(values.narrow(0, begin, rows));
                begin += rows;
            }
        }
    }

    const Features& features_;
    const Model& model_;
    const StoreInfo& info_;
    const StoreLayout& layout_;
    std::int64_t batch_tokens_;
};

/// What a rank did.
struct Work {
    std::int64_t features = 0;
    std::int64_t tokens = 0;
    std::int64_t bytes = 0;

    std::string rates(double seconds) const {
        const double per = 1 / std::max(seconds, 1e-9);
        return fmt::format("{:.0f} tokens/s, {:.1f} MB/s", static_cast<double>(tokens) * per,
                           static_cast<double>(bytes) * per * 1e-6);
    }
};

Work write_blocks(StoreWriter& writer, const BlockMaker& maker, const StoreLayout& layout,
                  const std::vector<std::int64_t>& blocks, const Communicator& ranks) {
    auto features_of = [&](std::int64_t block) {
        const auto b = static_cast<std::size_t>(block);
        return layout.block_starts[b + 1] - layout.block_starts[b];
    };
    std::int64_t total = 0;
    for (const std::int64_t block : blocks) total += features_of(block);
    Progress progress(
        ranks.size() == 1 ? "extracting" : fmt::format("extracting (rank {}'s share)", ranks.rank()),
        "features", total, !ranks.is_root());
    Work work;
    for (const std::int64_t block : blocks) {
        work.bytes += writer.write_block(block, maker.make(block).data_ptr());
        work.features += features_of(block);
        work.tokens += maker.tokens(block);
        progress.advance(features_of(block), work.rates(progress.seconds()));
    }
    return work;
}

}  // namespace

void ExtractOptions::declare(CommandLine& line) {
    line.option("checkpoint", checkpoint,
                "folder of a fine-tuned BERT, or of any Hugging Face BERT (epoch 0)")
        ->required();
    line.option("features", features, "features file of bv_prepare")->required();
    line.option("store", store, "embedding store to write (HDF5)")->required();
    line.option("task", task, "span keeps all tokens; classification the pooled output and each state's CLS")
        ->check(CLI::IsMember({"span", "classification"}));
    line.option("dtype", dtype, "element type of the stored states")
        ->check(CLI::IsMember({"float16", "float32", "bfloat16"}));
    line.option("layers", layers,
                "hidden states to keep: all, or a list such as 0,12,24 (0 = embedding output)");
    line.option("batch-tokens", batch_tokens, "most tokens the encoder takes at once")
        ->check(CLI::PositiveNumber);
    line.option("block-features", block_features,
                "features a block: what a rank computes, writes and marks as one, and holds in memory")
        ->check(CLI::PositiveNumber);
    bv::declare(line, compute);
    line.option("force", force, "replace an existing store, rather than finish it where it is incomplete");
}

void extract(const ExtractOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    const Compute compute = open_device(options.compute, ranks);
    std::optional<Features> features;
    std::optional<Model> model;
    StoreInfo info;
    ranks.agree([&] {
        const BertConfig config = read_bert_config(options.checkpoint);
        features = read_features(options.features);
        if (features->count() == 0) fail("{} holds no features", options.features.string());
        require_fit(*features, options.features, options.checkpoint, config);
        info = describe(options, line, config, *features);
        model = Model::load(options.checkpoint, task_named(options.task), /*seed=*/0);
    });
    model->to(compute.device, compute.precision);
    const auto tokens_of = features->token_counts();
    const std::vector<std::int64_t> one_row(tokens_of.size(), 1);
    const StoreLayout layout = lay_out(options.task == "span" ? tokens_of : one_row, options.block_features);
    const BlockMaker maker(*features, *model, info, layout, options.batch_tokens);

    StoreWriter writer(ranks, options.store, info, layout, options.force,
                       [&](h5::Group& root) { write_features_table(root, *features); });
    ranks.root_only([&] { write_file(options.store.string() + ".toml", line.resolved()); });
    if (const auto missing = static_cast<std::int64_t>(writer.missing().size()); missing < layout.blocks()) {
        spdlog::info("finishing {}: {} of its {} blocks are missing", options.store.string(), missing,
                     layout.blocks());
    }
    std::vector<std::int64_t> tokens_of_block;
    for (std::int64_t b = 0; b < layout.blocks(); ++b) tokens_of_block.push_back(maker.tokens(b));
    const auto share = split_by_tokens(writer.missing(), tokens_of_block, ranks.size());

    const Progress clock("", "", 0, /*quiet=*/true);
    const Work mine =
        write_blocks(writer, maker, layout, share[static_cast<std::size_t>(ranks.rank())], ranks);
    writer.close();
    const Work all{ranks.sum(mine.features), ranks.sum(mine.tokens), ranks.sum(mine.bytes)};
    spdlog::info("{}: {} states of {} features, {} tokens, {:.1f} MB in {} ({:.1f} features/s, {})",
                 options.store.string(), info.states(), all.features, all.tokens,
                 static_cast<double>(all.bytes) * 1e-6, duration_text(clock.seconds()),
                 static_cast<double>(all.features) / std::max(clock.seconds(), 1e-9),
                 all.rates(clock.seconds()));
}

}  // namespace bv
