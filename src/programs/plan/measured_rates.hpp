#pragma once

#include <filesystem>

#include "bert/config.hpp"
#include "comm/communicator.hpp"
#include "device/device.hpp"
#include "programs/plan/study_costs.hpp"

namespace bv {

/// Collective: measures, in about half a minute, how much all ranks together do in a second. A model with the
/// shape of `config` and random weights trains on sequences of `tokens` tokens, `sequences` on each rank in
/// a step, and encodes such sequences. A step has all parts but the sum of gradients over ranks. Rank 0
/// writes and reads a file of one GiB in `folder`, and removes it. Throws AgreedError, which names the folder
/// or the file, when that fails, and std::runtime_error when MPI fails.
StudyRates measure_rates(const BertConfig& config, std::int64_t tokens, std::int64_t sequences,
                         const std::filesystem::path& folder, const Compute& compute,
                         const Communicator& ranks);

}  // namespace bv
