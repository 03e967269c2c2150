#include <optional>
#include <string>
#include <utility>

#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "io/output_lock.hpp"
#include "io/paths.hpp"
#include "programs/extract/command.hpp"
#include "programs/extract/writer_loop.hpp"
#include "programs/shared/precision.hpp"
#include "programs/shared/stopping.hpp"
#include "programs/store/actions.hpp"
#include "programs/store/opened_store.hpp"
#include "programs/store/unsound_blocks.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

std::filesystem::path checkpoint_of(const StoreToolOptions& options, const StoreInfo& info) {
    std::filesystem::path folder =
        !options.checkpoint.empty() ? options.checkpoint : std::filesystem::path(info.checkpoint_path);
    if (!is_folder(folder)) {
        fail("{} was made from {}, which is not a folder now; give its new place by --checkpoint",
             options.store.string(), folder.string());
    }
    const std::string found = model_fingerprint(folder);
    if (found != info.checkpoint) {
        fail("{} was made from the model {}, but {} holds the model {}", options.store.string(),
             info.checkpoint, folder.string(), found);
    }
    return folder;
}

/// Collective: rank 0 looks for blocks to repair. The other ranks get only the text.
UnsoundBlocks look(const StoreToolOptions& options, const Communicator& ranks) {
    std::optional<UnsoundBlocks> found;
    ranks.root_only([&] { found = find_unsound_blocks(OpenedStore(options.store).store); });
    end_together(ranks.is_root() && !found, "the store is not repaired", ranks);
    UnsoundBlocks unsound = found.value_or(UnsoundBlocks());
    unsound.text = ranks.broadcast(unsound.text);
    return unsound;
}

/// Collective: loads the model that made the states of a store, on the device and in the precision that
/// computes them again. Puts the store into `opened` on every rank.
Model load_maker(const StoreToolOptions& options, std::optional<OpenedStore>& opened,
                 const Communicator& ranks) {
    std::optional<Model> model;
    const std::string& wanted = options.compute.precision;
    std::string recorded;
    ranks.agree([&] {
        opened.emplace(options.store);
        const StoreInfo& info = opened->store.info();
        recorded = name_of(info.precision);
        if (wanted != "auto" && wanted != recorded) {
            fail("--precision is {}, but the states of {} were computed in {}", wanted,
                 options.store.string(), recorded);
        }
        model = Model::load(checkpoint_of(options, info), info.task, Use::states);
    });
    Compute compute = open_device(options.compute, ranks);
    choose_precision(compute, wanted, {.unfinished = recorded}, model->config(), ranks);
    model->to(compute.device, compute.precision);
    model->freeze();
    return std::move(*model);
}

}  // namespace

void repair(const StoreToolOptions& options, const Communicator& ranks) {
    std::optional<OutputLock> lock;  // on rank 0: no other process may write the store meanwhile
    ranks.root_only([&] { lock.emplace(OutputLock::of_file(options.store)); });
    const UnsoundBlocks unsound = look(options, ranks);
    if (unsound.text.empty()) {
        spdlog::info("{}: nothing to repair", options.store.string());
        return;
    }
    std::optional<OpenedStore> opened;
    const Model model = load_maker(options, opened, ranks);
    const StoreInfo& info = opened->store.info();
    const StoreLayout& layout = opened->store.layout();
    BlockMaker maker(opened->features, model, info, layout, info.batch_tokens);
    spdlog::info("{}: computing {} again", options.store.string(), unsound.text);
    ranks.root_only([&] { mark_missing(options.store, unsound.blocks); });  // the first change of the file
    StoreWriter writer(ranks, std::move(lock), options.store, info, layout, /*force=*/false,
                       [](h5::Group&) {});
    const Extraction done = extract_missing(writer, maker, layout, ranks);
    spdlog::info("{}: repaired; {}", options.store.string(), done.text());
}

}  // namespace bv
