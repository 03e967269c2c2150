#include "programs/store/command.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "bert/pretrained.hpp"
#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "core/size_text.hpp"
#include "core/standard_streams.hpp"
#include "io/output_lock.hpp"
#include "io/paths.hpp"
#include "programs/extract/command.hpp"
#include "programs/extract/writer_loop.hpp"
#include "programs/shared/precision.hpp"
#include "programs/shared/stopping.hpp"
#include "squad/features/features_file.hpp"
#include "states/task_states.hpp"
#include "store/store.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

/// The end of every message about damage that bv_store repair cannot repair.
constexpr const char* kOnlyAnew =
    "bv_store repair can restore states, but not tables; bv_extract --force makes the store again";

/// Calls `read`, which reads tables of a store. If they are damaged, throws Error, which says what to do.
template <class Read>
auto tables(Read read) {
    try {
        return read();
    } catch (const h5::Damaged& damaged) {
        fail("{}; {}", damaged.what(), kOnlyAnew);
    }
}

/// An open store. Its states may be damaged. If its tables are damaged, the constructor throws Error.
struct Opened {
    explicit Opened(const std::filesystem::path& path)
        : store(tables([&] { return Store(path, Store::Accept::damaged); })),
          features(tables([&] { return read_features(path, h5::File::Truncated::open); })) {
        const StoreLayout& found = store.layout();
        const bool fits = features.count() == found.features() &&
                          features.fingerprint() == store.info().features &&
                          lay_out(state_rows(features, store.info().task), found.positions_of(0)) == found;
        if (!fits) {
            fail("{}: its table of features and its layout do not fit each other; {}", path.string(),
                 kOnlyAnew);
        }
    }

    Store store;
    Features features;
};

/// The text that bv_store info prints.
std::string text_of(const Opened& opened) {
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
    text += fmt::format("  made from   epoch {} of {}, weights {}\n", info.epoch,
                        info.checkpoint_path.empty() ? "an unknown checkpoint" : info.checkpoint_path,
                        info.checkpoint);
    text += fmt::format("              {}, features {}\n",
                        info.features_path.empty() ? "an unknown features file" : info.features_path,
                        info.features);
    text += fmt::format("  task        {}, matrix products in {}\n", info.task, info.precision);
    text += fmt::format("  states      {}{} of width {} in {}\n", span ? "" : "pooled output and CLS of ",
                        fmt::format("layer{} {}", info.layers.size() == 1 ? "" : "s", list_text(info.layers)),
                        info.hidden_size, name_of(info.dtype));
    text += fmt::format(
        "  features    {}{}\n", store.features(),
        span ? fmt::format(", {} tokens, {:.1f} each", store.rows(),
                           static_cast<double>(store.rows()) / static_cast<double>(store.features()))
             : "");
    text += fmt::format("  blocks      {} of {} features, {} each\n", layout.blocks(), layout.positions_of(0),
                        size_text(size / static_cast<double>(layout.blocks())));
    text += fmt::format("  size        {}; in the reference's layout ({}float32) {}, {:.1f} times as much\n",
                        size_text(size),
                        span ? fmt::format("padded to {} tokens, ", opened.features.settings.max_tokens) : "",
                        size_text(reference), reference / size);
    return text;
}

/// The blocks that are missing, or not on disk as they were written. No value when the stop signal ended the
/// check before all blocks were read.
std::optional<std::vector<std::int64_t>> unsound_blocks(const Store& store, int threads) {
    const StoreLayout& layout = store.layout();
    Progress progress("verifying", "blocks", layout.blocks());
    std::vector<std::int64_t> unsound;
    std::int64_t looked_at = 0;
    std::mutex guard;
    parallel_for(layout.blocks(), threads, [&](std::int64_t block) {
        if (ends_now(WhenTold::end)) return;
        const bool sound = store.sound(block);
        const std::scoped_lock lock(guard);
        if (!sound) unsound.push_back(block);
        ++looked_at;
        progress.advance(1);
    });
    if (looked_at < layout.blocks()) return {};
    const double seconds = progress.finish();
    spdlog::info("{}: its tables and {} of its {} blocks are undamaged; {} read in {} ({:.0f} MB/s)",
                 store.path().string(), layout.blocks() - static_cast<std::int64_t>(unsound.size()),
                 layout.blocks(), size_text(static_cast<double>(store.state_bytes())), duration_text(seconds),
                 static_cast<double>(store.state_bytes()) * 1e-6 / std::max(seconds, 1e-9));
    std::sort(unsound.begin(), unsound.end());
    return unsound;
}

/// "missing blocks 3, 4; damaged block 7": a text about the blocks `unsound`, of which there is at least one.
std::string wrong_text(const Store& store, const std::vector<std::int64_t>& unsound) {
    std::string text;
    for (const bool written : {false, true}) {
        std::vector<std::int64_t> blocks;
        for (const std::int64_t b : unsound) {
            if (store.records().written(b) == written) blocks.push_back(b);
        }
        if (blocks.empty()) continue;
        text += fmt::format("{}{} block{} {}", text.empty() ? "" : "; ", written ? "damaged" : "missing",
                            blocks.size() == 1 ? "" : "s", list_text(blocks));
    }
    return text;
}

int reading_threads() {
    // Several reads at the same time keep a disk busy, even if there is only one core.
    return std::max(4, available_cores());
}

std::filesystem::path checkpoint_of(const StoreToolOptions& options, const StoreInfo& info) {
    const std::filesystem::path folder =
        !options.checkpoint.empty() ? options.checkpoint : std::filesystem::path(info.checkpoint_path);
    if (!is_folder(folder)) {
        fail("{} was made from {}, which is not a folder now; give its new place by --checkpoint",
             options.store.string(), folder.string());
    }
    const std::string found = weights_fingerprint(folder);
    if (found != info.checkpoint) {
        fail("{} was made from weights {}, but {} holds weights {}", options.store.string(), info.checkpoint,
             folder.string(), found);
    }
    return folder;
}

/// Collective: computes missing and damaged blocks again. Throws as run_store_tool.
void repair(const StoreToolOptions& options, const Communicator& ranks) {
    std::optional<OutputLock> lock;  // on rank 0: no other process may write the store meanwhile
    std::string wrong;
    std::vector<std::int64_t> unsound;
    bool cut_short = false;
    ranks.root_only([&] {
        lock.emplace(OutputLock::of_file(options.store));
        const Opened opened(options.store);
        const auto found = unsound_blocks(opened.store, reading_threads());
        cut_short = !found;
        if (!found || found->empty()) return;
        unsound = *found;
        wrong = wrong_text(opened.store, unsound);
    });
    end_together(cut_short, "the store is not repaired", ranks);
    wrong = ranks.broadcast(wrong);
    if (wrong.empty()) {
        spdlog::info("{}: nothing to repair", options.store.string());
        return;
    }

    std::optional<Opened> opened;
    std::optional<Model> model;
    std::int64_t batch_tokens = 0;
    ComputeOptions wanted = options.compute;
    ranks.agree([&] {
        opened.emplace(options.store);
        const StoreInfo& info = opened->store.info();
        if (wanted.precision != "auto" && wanted.precision != info.precision) {
            fail("--precision is {}, but the states of {} were computed in {}", wanted.precision,
                 options.store.string(), info.precision);
        }
        wanted.precision = info.precision;
        batch_tokens = info.batch_tokens > 0 ? info.batch_tokens : ExtractOptions().batch_tokens;
        model = Model::load(checkpoint_of(options, info), info.task, Use::states);
    });
    Compute compute = open_device(wanted, ranks);
    choose_precision(compute, wanted.precision, "", model->config(), ranks);
    model->to(compute.device, compute.precision);
    model->freeze();
    const StoreInfo& info = opened->store.info();
    const StoreLayout& layout = opened->store.layout();
    BlockMaker maker(opened->features, *model, info, layout, batch_tokens);
    spdlog::info("{}: computing {} again", options.store.string(), wrong);
    ranks.root_only([&] { mark_missing(options.store, unsound); });  // the first change of the file
    StoreWriter writer(ranks, std::move(lock), options.store, info, layout, /*force=*/false,
                       [](h5::Group&) {});
    const Extraction done = extract_missing(writer, maker, layout, ranks);
    spdlog::info("{}: repaired; {}", options.store.string(), done.text());
}

}  // namespace

void StoreToolOptions::declare(CommandLine& line) {
    line.argument("action", action, "info, verify or repair").required().one_of({"info", "verify", "repair"});
    line.argument("store", store, "embedding store of bv_extract").required();
    line.option("checkpoint", checkpoint,
                "for repair: the folder of the checkpoint that made the states, if it is no longer at the "
                "path that the store names");
    bv::declare(line, compute);
}

void run_store_tool(const StoreToolOptions& options, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    if (options.action == "repair") {
        repair(options, ranks);
        return;
    }
    bool cut_short = false;
    ranks.root_only([&] {
        const Opened opened(options.store);
        if (options.action == "info") return print_results(text_of(opened));
        const auto unsound = unsound_blocks(opened.store, reading_threads());
        cut_short = !unsound;
        if (unsound && !unsound->empty()) {
            fail("{}: {}; bv_store repair computes them again", options.store.string(),
                 wrong_text(opened.store, *unsound));
        }
    });
    end_together(cut_short, "not all blocks are verified", ranks);
}

}  // namespace bv
