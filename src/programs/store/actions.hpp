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

}  // namespace bv
