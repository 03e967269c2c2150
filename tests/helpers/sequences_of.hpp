#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tensor/packed_sequences.hpp"

namespace bv {

/// Sequences of these lengths that come from these examples.
inline std::shared_ptr<const PackedSequences> sequences_of(const std::vector<std::int64_t>& lengths,
                                                           std::vector<std::int64_t> examples) {
    return std::make_shared<PackedSequences>(pack(std::move(examples), lengths));
}

}  // namespace bv
