#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"
#include "programs/extract/block_maker.hpp"
#include "store/store_writer.hpp"

namespace bv {

/// The work that all ranks of an extraction did together.
struct Extraction {
    std::int64_t blocks = 0;
    std::int64_t features = 0;
    std::int64_t tokens = 0;
    std::int64_t bytes = 0;
    double seconds = 0;
    double waited = 0;  ///< seconds the encoder waited for the disk; the longest of all ranks

    /// "1660 features, 279704 tokens, 1503.7 MB in 0:31 (...)": for people.
    std::string text() const;
};

/// Collective: computes the blocks that are missing in `writer`, each rank its share, writes them, and
/// closes `writer`. While a thread of a rank writes one block, its encoder computes the next, so that the
/// states of at most two blocks are in memory. A rank that is told to stop leaves the rest of its share
/// undone; then all ranks throw Stopped.
Extraction extract_missing(StoreWriter& writer, BlockMaker& maker, const StoreLayout& layout,
                           const Communicator& ranks);

}  // namespace bv
