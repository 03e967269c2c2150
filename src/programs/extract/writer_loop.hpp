#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"
#include "programs/extract/block_maker.hpp"
#include "store/store_writer.hpp"

namespace bv {

/// What the ranks of an extraction did together.
struct Extraction {
    std::int64_t blocks = 0;
    std::int64_t features = 0;
    std::int64_t tokens = 0;
    std::int64_t bytes = 0;
    double seconds = 0;
    double waited = 0;  ///< seconds that the encoder of the rank that waited longest waited for the disk

    /// "1660 features, 279704 tokens, 1503.7 MB in 0:31 (...)": for people.
    std::string text() const;
};

/// Collective: computes the blocks that `writer` misses, every rank its share, writes them, and closes
/// `writer`. While a thread of each rank writes one block, its encoder computes the next: the states of two
/// blocks are held, no more. A rank that is told to stop leaves the rest of its share undone; then all
/// ranks throw Stopped.
Extraction extract_missing(StoreWriter& writer, BlockMaker& maker, const StoreLayout& layout,
                           const Communicator& ranks);

}  // namespace bv
