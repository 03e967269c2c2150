#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/task.hpp"

namespace bv {

/// The facts that a store records about itself: its states, and the weights and features from which they were
/// made.
struct StoreInfo {
    Task task = Task::span;
    DType dtype = DType::f16;          ///< f16, f32, bf16 or f8
    std::vector<std::int64_t> layers;  ///< hidden states kept, ascending; 0 = embedding output
    std::int64_t hidden_size = 0;      ///< H
    std::string checkpoint;            ///< fingerprint of the model that made the states
    DType precision = DType::f32;      ///< precision of BERT's matrix products: f32 or bf16
    std::string epoch;                 ///< epochs of fine-tuning, as an exact fraction ("3/10"): a text,
                                       ///< because EpochFraction belongs to a folder above this one
    std::string features;              ///< fingerprint of the features file
    std::string config;                ///< the resolved configuration of the run, TOML

    // Only of stores: states that are computed when they are needed have no record of these.
    std::string checkpoint_path = {};  ///< the folder of these weights
    std::string features_path = {};    ///< the features file
    std::int64_t batch_tokens = 0;     ///< largest number of tokens in a pass of the encoder, at least 1

    /// The number of states that stand before those of the layers: in the classification task 1, the pooled
    /// output, otherwise 0.
    std::int64_t states_before_layers() const { return task == Task::classification ? 1 : 0; }

    /// The first dimension of `states`: states_before_layers() + L.
    std::int64_t states() const { return states_before_layers() + static_cast<std::int64_t>(layers.size()); }

    /// The last dimension of `states`: H, and in float8 the bytes of the row's scale before them.
    std::int64_t row_elements() const { return hidden_size + (dtype == DType::f8 ? kFloat8ScaleBytes : 0); }

    /// Bytes of one row of one state.
    std::int64_t row_bytes() const { return row_elements() * static_cast<std::int64_t>(size_of(dtype)); }
};

/// Where each of F features lies among the rows of a store, and which features make up each of its blocks. A
/// row is a token in the span task; in the classification task every feature is one row.
struct StoreLayout {
    std::vector<std::int64_t>
        original;  ///< (F) index in the features file of the feature at each position of the store
    std::vector<std::int64_t>
        starts;  ///< (F + 1) first row of the feature at each position; starts[F] = rows
    std::vector<std::int64_t>
        block_starts;  ///< (blocks + 1) first position of each block; block_starts[blocks] = F

    std::int64_t features() const { return static_cast<std::int64_t>(original.size()); }
    std::int64_t rows() const { return starts.back(); }
    std::int64_t blocks() const { return static_cast<std::int64_t>(block_starts.size()) - 1; }

    /// First row of a block, and its number of rows.
    std::int64_t first_row(std::int64_t block) const;
    std::int64_t rows_of(std::int64_t block) const;

    /// First position of a block, and its number of positions.
    std::int64_t first_position(std::int64_t block) const;
    std::int64_t positions_of(std::int64_t block) const;

    /// First row of the feature at a position, and its number of rows.
    std::int64_t row_at(std::int64_t position) const { return starts[static_cast<std::size_t>(position)]; }
    std::int64_t rows_at(std::int64_t position) const {
        return starts[static_cast<std::size_t>(position) + 1] - row_at(position);
    }

    bool operator==(const StoreLayout&) const = default;
};

/// Lays features out in a seeded permutation, so that neighbours in the features file (windows of one
/// paragraph) are not neighbours in the store, in blocks of `block_features` (the last may be smaller).
/// `rows_of[f]` is the number of rows of feature f. The result depends only on the arguments.
StoreLayout lay_out(std::span<const std::int64_t> rows_of, std::int64_t block_features);

/// The size of a block unless the user gives another. Blocks must be large enough for a disk to read fast,
/// and small enough for an encoder's caches. They need enough features for a window of blocks to mix well.
/// They must have so few features that a killed rank loses little, and that every rank gets blocks even if
/// a feature is only one row.
inline constexpr std::int64_t kBlockBytes = std::int64_t{16} << 20;
inline constexpr std::int64_t kLeastBlockFeatures = 16;
inline constexpr std::int64_t kMostBlockFeatures = 128;

/// The number of features for blocks of about `block_bytes` bytes, at least 1; features count with their mean
/// length. If `block_bytes` is 0: the number for blocks of kBlockBytes in a 16-bit type, from
/// kLeastBlockFeatures to kMostBlockFeatures.
std::int64_t features_per_block(const StoreInfo& info, std::span<const std::int64_t> rows_of,
                                std::int64_t block_bytes);

}  // namespace bv
