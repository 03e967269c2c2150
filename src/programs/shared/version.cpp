#include "programs/shared/version.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>

#include <hdf5.h>
#include <mpi.h>
#include <torch/headeronly/version.h>
#ifdef BV_CUDA
#include <cuda_runtime_api.h>
#include <nccl.h>
#endif

#include <fmt/format.h>

#include "core/standard_streams.hpp"

namespace bv {
namespace {

std::string compiler() {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "GCC " __VERSION__;
#endif
}

std::string hdf5() {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned release = 0;
    H5get_libversion(&major, &minor, &release);
    return fmt::format("{}.{}.{}", major, minor, release);
}

std::string mpi() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(text, &length);  // one of the few calls that may come before MPI_Init
    const std::string_view all(text);
    return std::string(all.substr(0, all.find_first_of(",\n")));  // the rest says who built it, and when
}

/// The lines about CUDA and NCCL.
std::string cuda() {
#ifdef BV_CUDA
    int runtime = 0;
    cudaRuntimeGetVersion(&runtime);
    int nccl = 0;
    ncclGetVersion(&nccl);
    return fmt::format("CUDA      {}.{}\nNCCL      {}.{}.{}\n", runtime / 1000, runtime % 1000 / 10,
                       nccl / 10000, nccl / 100 % 100, nccl % 100);
#else
    return "CUDA      none: this build computes on CPUs only\n";
#endif
}

}  // namespace

std::optional<int> answer_version(int argc, const char* const* argv) {
    const auto is_version = [](std::string_view word) { return word == "--version"; };
    if (std::none_of(argv, argv + argc, is_version)) return {};
    return print_answer(
        fmt::format("{} {}\ncommit    {}\ncompiler  {}\nLibTorch  {}\nHDF5      {}\nMPI       {}\n{}",
                    std::filesystem::path(argv[0]).filename().string(), built_from.version, built_from.commit,
                    compiler(), TORCH_VERSION, hdf5(), mpi(), cuda()));
}

}  // namespace bv
