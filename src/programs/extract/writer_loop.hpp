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
    std::int64_t bytes = 0;  ///< bytes of states written
    double seconds = 0;      ///< seconds of the rank that took longest
    double waited = 0;  ///< seconds that the encoder waited for the disk, on the rank that waited longest

    /// "1660 features, 279704 tokens, 1503.7 MB in 0:31 (...)": text for the log.
    std::string text() const;
};

/// Collective: computes and writes the blocks that are missing in `writer`, each rank a share of them, and
/// closes `writer`. While a thread of a rank writes one block, the encoder computes the next, so that the
/// states of two blocks are in memory. A rank that is told to stop does not do the rest of its share; then
/// all ranks throw Stopped. Throws Error, which names the store, only on the rank where a state cannot be
/// kept (see BlockMaker::make) or the disk fails. Throws std::runtime_error when MPI fails.
Extraction extract_missing(StoreWriter& writer, BlockMaker& maker, const StoreLayout& layout,
                           const Communicator& ranks);

}  // namespace bv
