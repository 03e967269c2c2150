#include "programs/store/opened_store.hpp"

#include "core/error.hpp"
#include "squad/features/features_file.hpp"
#include "states/task_states.hpp"

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

}  // namespace

OpenedStore::OpenedStore(const std::filesystem::path& path)
    : store(tables([&] { return Store(path, Store::Accept::damaged); })),
      features(tables([&] { return read_features(path, h5::File::Truncated::open); })) {
    const StoreLayout& found = store.layout();
    const bool fits = features.count() == found.features() &&
                      features.fingerprint() == store.info().features &&
                      lay_out(state_rows(features, store.info().task), found.positions_of(0)) == found;
    if (!fits) {
        fail("{}: its table of features and its layout do not fit each other; {}", path.string(), kOnlyAnew);
    }
}

}  // namespace bv
