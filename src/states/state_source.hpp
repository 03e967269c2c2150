#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "device/device.hpp"
#include "heads/blocks/state_batch.hpp"
#include "squad/features/features.hpp"
#include "states/layers.hpp"
#include "store/layout.hpp"

namespace bv {

/// A list of batches. A batch is the list of its features, as numbers in their features file.
using FeatureBatches = std::vector<std::vector<std::int64_t>>;

/// Hidden states of features, read from a store or computed when they are needed. Heads cannot tell which.
class StateSource {
  public:
    virtual ~StateSource() = default;

    /// Local: says which states these are, and which checkpoint and features they were made from.
    virtual const StoreInfo& info() const = 0;

    /// Local: the table of the features. `read` takes their numbers in this table.
    virtual const Features& features() const = 0;

    /// Local: how the features lie in the store. A source without a store gives the layout that a store of
    /// the usual block size would have. The order of training follows from it (states/reading_order.hpp),
    /// and so is the same for both kinds of sources.
    virtual const StoreLayout& layout() const = 0;

    /// Local: whether `read` waits for a disk and not for a processor. Only then does reading ahead in a
    /// thread pay.
    virtual bool worth_reading_ahead() const = 0;

    /// Local: how many bytes of states this source keeps in the process's memory as long as it lives.
    virtual std::int64_t kept_bytes() const { return 0; }

    /// Local: reads or computes the states of several batches together. They have the source's element type
    /// (float8: see StateBatch) and are on its device. An empty batch gives a batch without states. Throws
    /// Error, which names the file, when the store is damaged.
    virtual std::vector<StateBatch> read(const FeatureBatches& batches) const = 0;

    /// Local: sets the precision of the matrix products that compute the states. Must be called before
    /// anything is read. It has no effect on a store.
    virtual void multiply_in(at::ScalarType /*precision*/) {}

    /// Local: the name of the place that the states come from, for messages.
    virtual std::string name() const = 0;

    /// Local: (F) the number of rows of states of each feature: its tokens in the span task, 1 in the
    /// classification task.
    std::vector<std::int64_t> rows_of_features() const;

  protected:
    /// Makes a batch that still lacks its states: the packed rows of the features `which`.
    static StateBatch describe(const Features& features, const std::vector<std::int64_t>& which,
                               bool row_is_token);

    /// The states to read, as places among those of `info`: what stands before the layers (in the
    /// classification task the pooled output), then `layers`, which become those of `info`. Throws Error
    /// naming `name` and a layer that it does not hold.
    static std::vector<std::int64_t> pick(const Layers& layers, StoreInfo& info, const std::string& name);
};

/// Local: opens the store at `path`. Only the bytes of `layers` are read, and each block of them is checked
/// against its checksum. If the wanted states have at most `cache_gib` GiB, the whole of them is read into
/// memory now. Batches are put into memory from which copies to `device` are fast. Throws Error, which
/// names the file, when it is no complete store or lacks a layer.
std::unique_ptr<StateSource> open_store(const std::filesystem::path& path, double cache_gib,
                                        const Layers& layers = {}, at::Device device = at::kCPU);

/// Local: opens the model in folder `checkpoint` and the file `features`, to compute the states that heads
/// of `task` read, on `device`. Call multiply_in before reading. Throws Error, which names folder or file,
/// when they cannot be read, do not fit each other, or do not fit the task.
std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, Task task,
                                             at::Device device, const Layers& layers = {});

}  // namespace bv
