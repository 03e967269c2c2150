#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "adapter/state_batch.hpp"
#include "squad/features.hpp"
#include "stages/device.hpp"
#include "store/layout.hpp"

namespace bv {

/// Hidden states of features, from a store or computed on the way: heads cannot tell which.
class StateSource {
  public:
    virtual ~StateSource() = default;

    /// What the states are and what they were made from.
    virtual const StoreInfo& info() const = 0;

    /// The table of the features, whose indices `read` takes.
    virtual const Features& features() const = 0;

    /// (F) All features in the order in which they are read fastest.
    virtual const std::vector<std::int64_t>& reading_order() const = 0;

    /// Whether `read` waits for a disk rather than for a processor, so that reading ahead in a thread pays.
    virtual bool worth_reading_ahead() const = 0;

    /// Local: the states of the features `which`, in that order, in the source's element type and on its
    /// device.
    virtual StateBatch read(std::span<const std::int64_t> which) const = 0;

    /// Where the states come from, for messages.
    virtual std::string name() const = 0;

    /// Rows of each feature: tokens in the span task, else one.
    std::vector<std::int64_t> rows_of_features() const;
};

/// Local: the states of a store. One of at most `cache_gib` GiB is read into memory as a whole, front to
/// back. Throws Error naming the file when it is no complete store.
std::unique_ptr<StateSource> open_store(const std::filesystem::path& path, double cache_gib);

/// Local: the states that the model in folder `checkpoint` makes of the features in file `features` for
/// `task`, as `compute` says. Throws Error naming folder and file.
std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, const std::string& task,
                                             const Compute& compute);

}  // namespace bv
