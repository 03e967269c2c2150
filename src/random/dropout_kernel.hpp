#pragma once

#include <cstdint>

#include "random/philox.hpp"

namespace bv {

/// Rows of examples laid end to end, as the GPU's kernel reads them.
struct MaskedRows {
    DropoutStream stream;  ///< without packing its c1 is the example
    const std::int64_t*
        packing;             ///< (2 B + 1) first row of each example and the end, then the examples; or null
    std::int64_t sequences;  ///< B; 1 without packing
    std::int64_t longest;    ///< rows of the longest example
    std::int64_t width;      ///< elements of a row
};

/// The number of counters for an example of `rows` rows.
BV_HOST_DEVICE inline std::int64_t counters_of(const MaskedRows& of, std::int64_t rows) {
    return (rows * of.width + kPhiloxGroup - 1) / kPhiloxGroup * kPhiloxLanes;
}

/// The work of one thread: draws counter `counter` of sequence b and masks its eight elements, which stand
/// kPhiloxLanes apart. to = from * mask, plus added if that is not null. `to` may be `from`.
template <typename From, typename To>
BV_HOST_DEVICE void mask_counter(const From* from, const float* added, To* to, const MaskedRows& of,
                                 std::int64_t b, std::int64_t counter) {
    DropoutStream stream = of.stream;
    std::int64_t begin = 0;
    std::int64_t rows = of.longest;
    if (of.packing != nullptr) {
        begin = of.packing[b];
        rows = of.packing[b + 1] - begin;
        stream.c1 = static_cast<std::uint32_t>(of.packing[of.sequences + 1 + b]);
    }
    const std::int64_t count = rows * of.width;
    const std::int64_t first = counter / kPhiloxLanes * kPhiloxGroup + counter % kPhiloxLanes;
    if (first >= count) return;
    const PhiloxWords drawn = philox(stream, static_cast<std::uint32_t>(counter));
    for (int half = 0; half < 8; ++half) {
        const std::int64_t element = first + half * kPhiloxLanes;
        if (element >= count) return;
        const std::int64_t at = begin * of.width + element;
        const bool kept = half_word(drawn, half) >= stream.threshold;
        const float value = kept ? static_cast<float>(from[at]) * stream.scale : 0.0F;
        to[at] = static_cast<To>(added != nullptr ? value + added[at] : value);
    }
}

}  // namespace bv
