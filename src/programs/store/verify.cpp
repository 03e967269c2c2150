#include "core/error.hpp"
#include "programs/shared/stopping.hpp"
#include "programs/store/actions.hpp"
#include "programs/store/opened_store.hpp"
#include "programs/store/unsound_blocks.hpp"

namespace bv {

void verify(const StoreToolOptions& options, const Communicator& ranks) {
    bool cut_short = false;
    ranks.root_only([&] {
        const OpenedStore opened(options.store);
        const auto unsound = find_unsound_blocks(opened.store);
        cut_short = !unsound;
        if (unsound && !unsound->blocks.empty())
            fail("{}: {}; bv_store repair computes them again", options.store.string(), unsound->text);
    });
    end_together(cut_short, "not all blocks are verified", ranks);
}

}  // namespace bv
