#pragma once

#include <cstddef>
#include <cstdint>

namespace bv {

/// The numbers of a whole file of SQuAD 2.0, as BERTVision published them (bert-large-uncased, default
/// settings of bv_prepare).
struct KnownFile {
    const char* name;
    std::size_t questions;
    std::int64_t features;
};

inline constexpr KnownFile kSquadTrain{"SQuAD 2.0 train", 130'319, 131'911};
inline constexpr KnownFile kSquadDev{"SQuAD 2.0 dev", 11'873, 12'227};

}  // namespace bv
