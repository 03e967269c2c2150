#include "core/process.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include <sys/resource.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/standard_streams.hpp"
#include "core/stop_signal.hpp"

namespace bv {
namespace {

struct Variable {
    const char* name;
    const char* value;
};

/// These are set unless the user has set them. They are set here, because setenv beside a thread that reads
/// the environment is a race, and libraries start threads.
constexpr Variable kVariables[] = {
    // GPUs are numbered as nvidia-smi does, by which launch/rank.sh binds cores.
    {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"},
    // cuBLAS: with workspaces of its own for each stream, its sums have one order.
    {"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},
    // NCCL: sums made by NVSwitch have other bits each time, and other algorithms another order; see
    // comm/collective.hpp.
    {"NCCL_NVLS_ENABLE", "0"},
    {"NCCL_ALGO", "Ring"},
};

/// Each head of a grid holds its log and its lock open; the usual limit is 1024. The new limit is not the
/// largest possible one, since MPI closes each possible number where it starts a process.
void allow_open_files() {
    constexpr rlim_t kEnough = 16384;
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= kEnough) return;
    files.rlim_cur = std::min(files.rlim_max, kEnough);
    setrlimit(RLIMIT_NOFILE, &files);
}

/// Where the working folder was removed, a constructor of MKL, which runs before main, ends the process with
/// a line that names nothing. The loader calls this before all constructors, libc's among them: it may do
/// nothing else.
void require_working_folder() {
    char folder[PATH_MAX];
    if (::getcwd(folder, sizeof folder) != nullptr || errno != ENOENT) return;
    constexpr std::string_view kText = "error: the working folder was removed; start from another one\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText.data(), kText.size());
    ::_exit(kUserMistake);
}

[[gnu::section(".preinit_array"),
  gnu::used]] void (*const look_before_constructors)() = require_working_folder;

[[noreturn]] void end_as_failure() {
    fmt::print(stderr, "failure: {}\n", terminating_text());
    std::fflush(stderr);
    std::_Exit(kFailure);
}

}  // namespace

void prepare_process() {
    listen_for_stop_signal();
    reserve_standard_streams();
    for (const Variable& variable : kVariables) setenv(variable.name, variable.value, /*overwrite=*/0);
    allow_open_files();
    std::set_terminate(end_as_failure);
}

std::string terminating_text() {
    try {
        if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
        return "terminated without an exception";
    } catch (const std::exception& failure) {
        return failure.what();
    } catch (...) {
        return "an exception of an unknown kind";
    }
}

}  // namespace bv
