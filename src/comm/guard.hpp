#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace bv {

/// Runs a program on all ranks of its MPI job and returns the exit code. The first line of main calls it.
///
/// All ranks end together. An AgreedError is printed once and ends every rank through MPI_Finalize with
/// exit code 2. Stopped, which all ranks throw, ends them through MPI_Finalize with exit code 85. Any other
/// exception of a rank is printed with the number of the rank; then MPI_Abort ends the other ranks, so that
/// none waits forever. This also holds for an exception that reaches std::terminate.
int run_on_ranks(const std::function<void(const Communicator&)>& program);

}  // namespace bv
