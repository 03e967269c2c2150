#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace bv {

/// The blocks of a store that are not on disk as they were written.
struct UnsoundBlocks {
    std::vector<std::int64_t> blocks;  ///< ascending; missing ones are among them
    std::string text;                  ///< "missing blocks 3, 4; damaged blocks 7"; empty if there are none
};

/// Local: checks every byte of the states, and logs the result. Returns no value when the stop
/// signal ended the check before all blocks were read.
std::optional<UnsoundBlocks> find_unsound_blocks(const Store& store);

}  // namespace bv
