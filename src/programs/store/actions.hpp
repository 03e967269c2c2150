#pragma once

#include "comm/communicator.hpp"
#include "programs/store/command.hpp"

namespace bv {

/// Collective: rank 0 prints what is in the store, and the size that the reference's layout would have.
void print_info(const StoreToolOptions& options, const Communicator& ranks);

/// Collective: rank 0 checks every byte of the store. Throws AgreedError naming the damaged and the missing
/// blocks. After the stop signal it throws Stopped.
void verify(const StoreToolOptions& options, const Communicator& ranks);

/// Collective: computes the damaged and the missing blocks again, on all ranks. Throws AgreedError when the
/// checkpoint that made the states is missing or another one. After the stop signal it throws Stopped; the
/// blocks that are repaired stay.
void repair(const StoreToolOptions& options, const Communicator& ranks);

/// Collective: writes the states of the wanted layers and features into the safetensors file of --output
/// (programs/shared/feature_rows_file.hpp), in the element type of the store; float8 becomes float32. Each
/// state is a tensor (N, H):
/// "layer-00" is the embedding output, and in the classification task there is "pooled" too. Throws
/// AgreedError, which names the store, the flag or the output, and Stopped on all ranks after the stop
/// signal; then there is no new file. Throws Error, which names the store or the file, only on the rank that
/// meets a damaged block or a full disk.
void export_states(const StoreToolOptions& options, const Communicator& ranks);

}  // namespace bv
