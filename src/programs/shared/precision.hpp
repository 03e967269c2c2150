#pragma once

#include <string>

#include "bert/config.hpp"
#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace bv {

/// How fast the same matrix products run on a rank, or several ranks' mean.
struct ProductRates {
    double float32;   ///< floating-point operations a second
    double bfloat16;  ///< the same

    /// The precision to take: bfloat16 has only 8 significant bits, so it must be a tenth faster.
    at::ScalarType better() const { return bfloat16 > 1.1 * float32 ? at::kBFloat16 : at::kFloat; }
};

/// Collective: both rates of the ranks' CPUs in the shapes of a model's feed-forward layers, with each rank's
/// threads, measured on all ranks at once in about a fifth of a second.
ProductRates measure_products(const BertConfig& config, const Communicator& ranks);

/// Collective: sets the precision of BERT's matrix products on every rank, and logs it once. `wanted` is
/// --precision. With auto it is `recorded`, the precision of unfinished work that goes on here ("" where
/// there is none): its results shall not depend on the machines that it ran on. Otherwise auto takes bfloat16
/// on GPUs that have it, and the faster precision on CPUs that have it. Rank 0's arguments count. Throws
/// AgreedError where the precision is unknown.
void choose_precision(Compute& compute, const std::string& wanted, const std::string& recorded,
                      const BertConfig& config, const Communicator& ranks);

}  // namespace bv
