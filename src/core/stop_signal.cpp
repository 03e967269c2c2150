#include "core/stop_signal.hpp"

#include <csignal>
#include <cstdlib>

#include "core/error.hpp"

namespace bv {
namespace {

volatile std::sig_atomic_t stop_requested = 0;
bool listening = false;

void request_stop(int) {
    stop_requested = 1;
}

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    BV_EXPECT(sigaction(signal, &action, nullptr) == 0);
}

/// Whether srun started this rank itself, without mpirun between them.
bool started_by_srun() {
    return std::getenv("SLURM_PROCID") != nullptr && std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
}

}  // namespace

StopSignal::StopSignal() {
    BV_EXPECT(!listening);
    listening = true;
    stop_requested = 0;
    handle(SIGUSR1, request_stop);
    if (started_by_srun()) handle(SIGTERM, request_stop);
}

StopSignal::~StopSignal() {
    handle(SIGUSR1, SIG_DFL);
    if (started_by_srun()) handle(SIGTERM, SIG_DFL);
    listening = false;
}

bool StopSignal::requested() const {
    return stop_requested != 0;
}

}  // namespace bv
