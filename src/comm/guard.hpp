#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace bv {

/// Runs a program on all ranks of its MPI job, on main's first line, and returns the exit code. Fail
/// together: an AgreedError is printed once and ends every rank through MPI_Finalize with exit code 2;
/// Stopped, which all ranks throw, ends them likewise with exit code 85; any other exception of a rank, one
/// that reaches std::terminate included, is printed with its rank, then MPI_Abort ends the others, so that
/// none is left waiting.
int run_on_ranks(const std::function<void(const Communicator&)>& program);

}  // namespace bv
