#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <mpi.h>

namespace bv {

/// Throws std::runtime_error with MPI's message, unless `code`, the result of the MPI function `call`, is
/// MPI_SUCCESS.
inline void check_mpi(int code, const char* call) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    throw std::runtime_error(
        fmt::format("{} failed: {}", call, std::string(text, static_cast<std::size_t>(length))));
}

}  // namespace bv
