#include "programs/extract/command.hpp"

#include <optional>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/log.hpp"
#include "io/files.hpp"
#include "io/output_lock.hpp"
#include "io/paths.hpp"
#include "optim/checkpoint.hpp"
#include "programs/extract/writer_loop.hpp"
#include "programs/shared/precision.hpp"
#include "squad/features/features_file.hpp"
#include "states/compatibility.hpp"
#include "states/layers.hpp"
#include "states/task_states.hpp"
#include "store/store.hpp"
#include "store/store_writer.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

StoreInfo describe(const ExtractOptions& options, const CommandLine& line, const BertConfig& config,
                   const Features& features) {
    StoreInfo info;
    info.task = options.task;
    info.dtype = dtype_named(options.dtype);
    info.layers = layers_of_model(parse_layers(options.layers), config.states());
    info.hidden_size = config.hidden_size;
    info.checkpoint = model_fingerprint(options.checkpoint);
    const auto known = read_checkpoint(options.checkpoint);
    if (known && known->task != options.task) {
        fail("{} was fine-tuned for task {}, not {}", options.checkpoint.string(), known->task, options.task);
    }
    info.epoch = known ? known->epoch.text() : std::string("0");
    info.features = features.fingerprint();
    info.config = line.resolved();
    info.checkpoint_path = options.checkpoint.string();
    info.features_path = options.features.string();
    info.batch_tokens = options.batch_tokens;
    return info;
}

/// The precision in which the states of an unfinished store were computed. Empty when there is no such store.
std::string precision_there(const ExtractOptions& options) {
    if (!is_there(options.store)) return "";
    try {
        const Store store(options.store, Store::Accept::damaged);
        if (options.force && store.records().missing().empty()) return "";  // it will be replaced
        return std::string(name_of(store.info().precision));
    } catch (const Error&) {
        return "";  // StoreWriter reports the error
    }
}

}  // namespace

void ExtractOptions::declare(CommandLine& line) {
    line.option("checkpoint", checkpoint,
                "folder of a fine-tuned BERT, or of any Hugging Face BERT (epoch 0)")
        .required();
    line.option("features", features, "features file of bv_prepare").required();
    line.option("store", store, "embedding store to write (HDF5)").required().output_file();
    line.option("task", task,
                "task of the heads. span (where is the answer?) keeps the states of all tokens; "
                "classification (does the question have an answer? class 1 = no answer) keeps the pooled "
                "output and the states of the CLS token");
    line.option("dtype", dtype,
                "element type of the stored states; float8 has one scale for each row (state of a token) and "
                "takes half the bytes of float16")
        .one_of({"float16", "float32", "bfloat16", "float8"});
    line.option("layers", layers,
                "hidden states to keep: all, or a list such as 0,12,24, where 0 is the embedding output");
    line.option("batch-tokens", batch_tokens, "largest number of tokens in one pass of the encoder")
        .check(at_least(1));
    line.option("block-mib", block_mib,
                "size of a block in MiB; a rank computes and writes one block at a time and keeps two in "
                "memory; 0 means 16 MiB, but at least 16 and at most 128 features")
        .check(zero_or(0.001));
    bv::declare(line, compute);
    line.option("force", force,
                "replace an existing store; an incomplete one that the same command began is finished");
}

void extract(const ExtractOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    std::optional<OutputLock> lock;  // taken before any rank looks at the store
    ranks.root_only([&] { lock.emplace(OutputLock::of_file(options.store)); });
    Compute compute = open_device(options.compute, ranks);
    std::optional<Features> features;
    std::optional<Model> model;
    StoreInfo info;
    std::string precision;
    ranks.agree([&] {
        const BertConfig config = read_bert_config(options.checkpoint);
        features = read_features(options.features);
        if (features->count() == 0) fail("{} holds no features", options.features.string());
        require_fit(*features, options.features, options.checkpoint, config);
        info = describe(options, line, config, *features);
        if (ranks.is_root()) precision = precision_there(options);
        model = Model::load(options.checkpoint, options.task, Use::states);
    });
    ranks.require_equal(info.features, options.features.string());
    ranks.require_equal(info.checkpoint, options.checkpoint.string());
    choose_precision(compute, options.compute.precision,
                     {.unfinished = precision, .checkpoint = options.checkpoint}, model->config(), ranks);
    info.precision = dtype_of(compute.precision);
    model->to(compute.device, compute.precision);
    model->freeze();
    const StoreLayout layout = lay_out_states(info, model->config().states(), *features,
                                              static_cast<std::int64_t>(options.block_mib * 1024 * 1024));
    BlockMaker maker(*features, *model, info, layout, options.batch_tokens);

    StoreWriter writer(ranks, std::move(lock), options.store, info, layout, options.force,
                       [&](h5::Group& root) { write_features_table(root, *features); });
    const auto missing = static_cast<std::int64_t>(writer.missing().size());
    if (missing == 0) {
        writer.close();
        spdlog::info("{} is complete already; --force writes it again", options.store.string());
        return;
    }
    ranks.root_only([&] { write_file(options.store.string() + ".toml", line.resolved()); });
    if (missing < layout.blocks()) {
        spdlog::info("finishing {}: {} of its {} blocks are missing", options.store.string(), missing,
                     layout.blocks());
    }
    const Extraction done = extract_missing(writer, maker, layout, ranks);
    spdlog::info("{}: {} states of {}", options.store.string(), info.states(), done.text());
}

}  // namespace bv
