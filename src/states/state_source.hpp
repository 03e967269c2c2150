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
#include "store/layout.hpp"

namespace bv {

/// Batches, each as the indices of its features in their features file.
using FeatureBatches = std::vector<std::vector<std::int64_t>>;

/// Hidden states of features, from a store or computed on the way: heads cannot tell which.
class StateSource {
  public:
    virtual ~StateSource() = default;

    /// What the states are and what they were made from.
    virtual const StoreInfo& info() const = 0;

    /// The table of the features, whose indices `read` takes.
    virtual const Features& features() const = 0;

    /// How the features lie in the store, or would lie in one of usual block size: the order of training
    /// follows from it (states/reading_order.hpp), so that it is the same for both.
    virtual const StoreLayout& layout() const = 0;

    /// Whether `read` waits for a disk rather than for a processor, so that reading ahead in a thread pays.
    virtual bool worth_reading_ahead() const = 0;

    /// Bytes of states that it keeps in this process's memory all the time.
    virtual std::int64_t kept_bytes() const { return 0; }

    /// Local: the states of batches, which are read together, in the source's element type and on its device.
    /// An empty batch has no states.
    virtual std::vector<StateBatch> read(const FeatureBatches& batches) const = 0;

    /// Local: sets the precision of the products that compute the states; without effect where the states are
    /// stored. To be called before anything is read.
    virtual void multiply_in(at::ScalarType /*precision*/) {}

    /// Where the states come from, for messages.
    virtual std::string name() const = 0;

    /// Rows of each feature: tokens in the span task, else one.
    std::vector<std::int64_t> rows_of_features() const;
};

/// Layers to read, all where there is no value: a subset of the source's, ascending.
using Layers = std::optional<std::vector<std::int64_t>>;

/// Local: the states of a store; of `layers` alone the bytes are read, each checked against its checksum. A
/// store whose wanted states are at most `cache_gib` GiB is read into memory as a whole. Throws Error naming
/// the file when it is no complete store or lacks a layer. Batches are read into memory that copies to
/// `device` want.
std::unique_ptr<StateSource> open_store(const std::filesystem::path& path, double cache_gib,
                                        const Layers& layers = {}, at::Device device = at::kCPU);

/// Local: the states that the model in folder `checkpoint` makes of the features in file `features` for
/// `task` on `device`; call multiply_in before reading. Throws Error naming folder and file.
std::unique_ptr<StateSource> open_checkpoint(const std::filesystem::path& checkpoint,
                                             const std::filesystem::path& features, Task task,
                                             at::Device device, const Layers& layers = {});

}  // namespace bv
