#pragma once

#include <filesystem>

#include "bert/config.hpp"
#include "comm/communicator.hpp"
#include "device/device.hpp"
#include "programs/plan/study_costs.hpp"

namespace bv {

/// Collective: measures for about half a minute what the ranks do in a second: a model of this shape with
/// random weights trains on and encodes sequences of `tokens` tokens, in batches of `batch` over all ranks
/// (without the sum of gradients over ranks), and rank 0 writes and reads a file of a GiB in `folder`, which
/// is gone afterwards. Throws AgreedError naming the folder when that fails.
StudyRates measure_rates(const BertConfig& config, std::int64_t tokens, std::int64_t batch,
                         const std::filesystem::path& folder, const Compute& compute,
                         const Communicator& ranks);

}  // namespace bv
