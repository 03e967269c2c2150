#include "programs/shared/unchanged_checkpoint.hpp"

#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "io/paths.hpp"
#include "optim/checkpoint.hpp"

namespace bv {
namespace {

/// A text about how the checkpoint in `folder` has changed since states were made with a model of the
/// fingerprint `made_with`. Empty when it has not changed.
std::string change_of(const std::filesystem::path& folder, const std::string& made_with) {
    try {
        const auto checkpoint = read_checkpoint(folder);
        const std::string found = checkpoint ? checkpoint->model_fingerprint : model_fingerprint(folder);
        if (found == made_with) return "";
        return fmt::format("it was {} and is {}{}", made_with, found,
                           checkpoint ? fmt::format(" (epoch {})", checkpoint->epoch.text()) : "");
    } catch (const Error& damage) {
        return damage.what();
    }
}

}  // namespace

void require_unchanged_checkpoint(const StoreInfo& info, const std::string& name,
                                  bool allow_other_checkpoint) {
    const std::filesystem::path folder = info.checkpoint_path;
    if (folder.empty() || !is_folder(folder)) return;
    const std::string change = change_of(folder, info.checkpoint);
    if (change.empty()) return;
    const std::string text = fmt::format("{} holds states of the checkpoint {}, which has changed since: {}",
                                         name, folder.string(), change);
    if (!allow_other_checkpoint) {
        fail("{}; make the store again (bv_extract --force), or use its states with --allow-other-checkpoint",
             text);
    }
    spdlog::warn("{}", text);
}

}  // namespace bv
