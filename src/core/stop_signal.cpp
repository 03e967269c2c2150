#include "core/stop_signal.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>

namespace bv {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's handler must not wait for a lock");

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);  // fails only for signals that do not exist
}

/// The first signal is enough, and later ones are ignored: launchers repeat the signal, and each one could
/// interrupt a long call of a file system.
void request_stop(int signal) {
    requested = true;
    handle(signal, SIG_IGN);
}

/// Whether srun started this rank itself, without mpirun between them.
bool started_by_srun() {
    return std::getenv("SLURM_PROCID") != nullptr && std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
}

/// Before main the constructors of LibTorch take a third of a second, in which a signal would kill. The
/// loader calls this before them. It runs before libc's own constructors too, so it may do nothing else.
void listen_early() {
    handle(SIGUSR1, request_stop);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const listen_before_constructors)() = listen_early;

}  // namespace

void listen_for_stop_signal() {
    handle(SIGUSR1, request_stop);
    if (started_by_srun()) handle(SIGTERM, request_stop);
}

bool stop_requested() {
    return requested;
}

}  // namespace bv
