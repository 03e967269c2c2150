#pragma once

#include <filesystem>

#include "squad/features/features.hpp"
#include "store/store.hpp"

namespace bv {

/// A store whose tables are sound and fit each other. Its states may be damaged.
struct OpenedStore {
    /// Local. Throws Error, which names the store and says what to do, when it is no store or its tables are
    /// damaged.
    explicit OpenedStore(const std::filesystem::path& path);

    Store store;
    Features features;
};

}  // namespace bv
