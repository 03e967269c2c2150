// A program that fails in the way its first argument names, for guard_test.py.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include "comm/guard.hpp"
#include "comm/run_alone.hpp"
#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/activity.hpp"
#include "core/stop_signal.hpp"

namespace {

/// A handle whose release waits for the other ranks.
struct Kept {
    explicit Kept(const bv::Communicator& all) : ranks(all) {}
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() {
        ranks.barrier();
        std::printf("released\n");
    }
    const bv::Communicator& ranks;
};

std::string how;

/// Waits until this rank's watchdog has sent so many beats: two in a second.
void wait_for_beats(int count) {
    std::atomic<int> beats = 0;
    const bv::Watched watched([&] {
        ++beats;
        beats.notify_all();
        return std::string();
    });
    for (int seen = beats; seen < count; seen = beats) beats.wait(seen);
}

void on_ranks(const bv::Communicator& ranks) {
    const bool last = ranks.rank() == ranks.size() - 1;
    if (how != "waits") ranks.keep(std::make_shared<Kept>(ranks));
    if (how == "stopped") throw bv::Stopped("told to stop");
    if (how == "help") throw bv::Answered{"how to use it\n"};
    if (how == "agreed") {
        ranks.agree([&] {
            if (last) bv::fail("flags.toml:3: unknown key 'bacth'");
        });
    }
    if (how == "error" && last) bv::fail("a.json: truncated");
    if (how == "crash" && last) throw std::runtime_error("the engine fell off");
    if (how == "crash-in-thread" && last)
        std::thread([] { throw std::runtime_error("the engine fell off"); }).join();
    std::optional<bv::Watched> watched;
    if (how.starts_with("hang-")) {
        bv::set_hang_timeout(3);
        wait_for_beats(2);  // which the others hear before this rank falls silent
    }
    if (how == "hang-watched" && last) {
        watched.emplace([] { return "the network is gone"; });
        std::this_thread::sleep_for(std::chrono::hours(1));
    }
    if (how == "hang-stopped" && last) std::raise(SIGSTOP);
    if (how == "hang-stopped-two" && ranks.rank() % 2 == 1) std::raise(SIGSTOP);
    if (how == "hang-all-wait" && last) {
        const bv::Waiting waiting;  // as in another collective call than the others
        std::this_thread::sleep_for(std::chrono::hours(1));
    }
    if (how == "hang-busy" && last) wait_for_beats(12);  // twice the timeout
    // Where the last rank failed, the others wait here until they are ended.
    if (how != "nothing") ranks.barrier();
    if (how == "hang-at-end" && last) std::raise(SIGSTOP);
}

}  // namespace

/// Stands before Open MPI's own: a communicator that cannot be made.
int MPI_Comm_dup(MPI_Comm communicator, MPI_Comm* copy) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return how == "no-communicator" && rank == 0 ? MPI_ERR_NO_MEM : PMPI_Comm_dup(communicator, copy);
}

int main(int, char** argv) {
    how = argv[1];
    if (how.starts_with("alone-")) {
        return bv::run_alone([&] {
            if (how == "alone-help") throw bv::Answered{"how to use it\n"};
            if (how == "alone-error") bv::fail("a.json: truncated");
            if (how == "alone-crash") throw std::runtime_error("the engine fell off");
            if (how == "alone-crash-in-thread")
                std::thread([] { throw std::runtime_error("the engine fell off"); }).join();
        });
    }
    return bv::run_on_ranks(on_ranks);
}
