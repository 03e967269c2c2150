#pragma once

#include "comm/communicator.hpp"
#include "programs/eval/command.hpp"

namespace bv {

/// Collective: writes the result of all blocks but the last one of the head --head into the file of --pooled
/// (programs/shared/feature_rows_file.hpp). Its tensor "pooled" is float32, (N, W), or (N, C, W) if the block
/// before the last one gives channels. The rows N are tokens in the span task and features in the
/// classification task. The metadata name the head and the origin of the states. Throws AgreedError, which
/// names folder or file, and Stopped on all ranks after the stop signal; then there is no new file. Throws
/// Error, which names the store or the file, only on the rank that meets a damaged block or a full disk.
void write_pooled(const EvalOptions& options, const Communicator& ranks);

}  // namespace bv
