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

/// These are set unless the user has set them. They are set here, before libraries start threads: a thread
/// could read the environment while setenv changes it.
constexpr Variable kVariables[] = {
    // CUDA numbers GPUs as nvidia-smi does, and launch/rank.sh binds cores by nvidia-smi's numbers.
    {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"},
    // cuBLAS: each stream has its own workspaces, so that sums are always added in the same order.
    {"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},
    // NCCL: NVSwitch gives sums with other bits each time, and another algorithm than the ring adds in
    // another order; see comm/collective.hpp.
    {"NCCL_NVLS_ENABLE", "0"},
    {"NCCL_ALGO", "Ring"},
};

/// Each head of a grid keeps its log and its lock open, and the usual limit is 1024 files. The new limit is
/// not the largest possible one: when MPI starts a process, it closes each number up to the limit.
void allow_open_files() {
    constexpr rlim_t kEnough = 16384;
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= kEnough) return;
    files.rlim_cur = std::min(files.rlim_max, kEnough);
    setrlimit(RLIMIT_NOFILE, &files);
}

/// If the working folder was removed, a constructor of MKL, which runs before main, ends the process with a
/// line that does not name the cause. The loader calls this function before all constructors, also before
/// libc's, so it may only make system calls.
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
