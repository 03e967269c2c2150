#pragma once

#include <filesystem>
#include <string>

#include "bert/config.hpp"
#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace bv {

/// How fast a rank computes the same matrix products in both precisions, or the mean of several ranks.
struct ProductRates {
    double float32;   ///< floating-point operations a second
    double bfloat16;  ///< floating-point operations a second

    /// The precision to take: bfloat16 has only 8 significant bits, so it must be a tenth faster.
    at::ScalarType better() const { return bfloat16 > 1.1 * float32 ? at::kBFloat16 : at::kFloat; }
};

/// Collective: both rates of the ranks' CPUs, for products as large as those of a model's feed-forward
/// layers, with each rank's threads. They are measured on all ranks at the same time, in about a fifth of a
/// second. Throws std::runtime_error when MPI fails.
ProductRates measure_products(const BertConfig& config, const Communicator& ranks);

/// Where earlier work recorded its precision.
struct EarlierWork {
    std::string unfinished;            ///< precision in which unfinished work began; empty if there is none
    std::filesystem::path checkpoint;  ///< the model's folder; empty if no model is read
};

/// Collective: sets the precision of BERT's matrix products on every rank, and logs it once. `wanted` is
/// --precision. With auto, unfinished work goes on in the precision in which it began, so that its results do
/// not depend on the machines on which it ran. A checkpoint is used in the precision in which it was
/// fine-tuned if every rank's device has products in it, so that its results are those of training. Otherwise
/// auto takes bfloat16 on GPUs that support it, and the faster precision on CPUs that support both. The
/// arguments of rank 0 count. Throws AgreedError when the precision is unknown or checkpoint.json is
/// malformed, std::runtime_error when MPI fails.
void choose_precision(Compute& compute, const std::string& wanted, const EarlierWork& earlier,
                      const BertConfig& config, const Communicator& ranks);

}  // namespace bv
