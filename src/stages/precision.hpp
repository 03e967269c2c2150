#pragma once

#include <string>

#include "bert/config.hpp"
#include "dist/communicator.hpp"
#include "stages/device.hpp"

namespace bv {

/// How fast the same matrix products run on a rank, or several ranks' mean.
struct ProductRates {
    double float32;   ///< floating-point operations a second
    double bfloat16;  ///< the same

    /// What to take: bfloat16 rounds to 8 bits and has to be worth it.
    at::ScalarType better() const { return bfloat16 > 1.1 * float32 ? at::kBFloat16 : at::kFloat; }
};

/// Collective: both rates of the ranks' CPUs in the shapes of a model's feed-forward layers, by its threads,
/// measured on all ranks at once for about a fifth of a second.
ProductRates measure_products(const BertConfig& config, const Communicator& ranks);

/// Collective: sets what BERT's matrix products run in on every rank, and says so once: as `wanted` by
/// --precision; with auto as in `recorded`, where unfinished work that goes on here names it ("" = nothing
/// does), since its results shall be those of one run on whatever machines. Otherwise auto takes bfloat16 on
/// GPUs that have it, and on CPUs that have it the faster. Rank 0's arguments count.
void choose_precision(Compute& compute, const std::string& wanted, const std::string& recorded,
                      const BertConfig& config, const Communicator& ranks);

}  // namespace bv
