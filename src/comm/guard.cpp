#include "comm/guard.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>

#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/log.hpp"
#include "core/process.hpp"
#include "core/standard_streams.hpp"
#include "core/stop_signal.hpp"

namespace bv {
namespace {

/// This rank's place in MPI_COMM_WORLD, which exists as long as MPI does.
struct World {
    int rank = 0;
    int size = 1;

    World() {
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &size);
    }
};

[[noreturn]] void abort_all(const char* kind, const char* what, int code) {
    const World world;
    fmt::print(stderr, "{}: rank {} of {}: {}\n", kind, world.rank, world.size, what);
    std::fflush(stderr);
    Mpi::abort(code);
}

/// The text of an error without the backtrace that Torch adds.
std::string without_backtrace(const std::string& text) {
    return text.substr(0, std::min(text.find("\nException raised from "), text.find("\nframe #")));
}

[[noreturn]] void abort_all_by_terminate() {
    abort_all("failure", terminating_text().c_str(), kFailure);
}

/// Runs the program to its end, once MPI has started.
int run_watched(const std::function<void(const Communicator&)>& program) {
    // When anything fails, abort_all ends the process without destroying these objects, because their
    // destructors would wait for other ranks.
    std::optional<Watchdog> watchdog;
    std::optional<Communicator> ranks;
    try {
        watchdog.emplace();
        ranks.emplace();
        start_logging(ranks->rank(), ranks->size());
        program(*ranks);
        return kSuccess;
    } catch (const Answered& answer) {
        return ranks->is_root() ? print_answer(answer.text) : kSuccess;
    } catch (const AgreedError& mistake) {
        if (ranks->is_root()) fmt::print(stderr, "error: {}\n", mistake.what());
        return kUserMistake;
    } catch (const Stopped& stop) {
        spdlog::info("{}", stop.what());
        return kRequeue;
    } catch (const Error& mistake) {
        if (World().size > 1) abort_all("error", mistake.what(), kUserMistake);
        fmt::print(stderr, "error: {}\n", mistake.what());
        return kUserMistake;
    } catch (const std::exception& failure) {
        abort_all("failure", without_backtrace(failure.what()).c_str(), kFailure);
    }
}

}  // namespace

int run_on_ranks(const std::function<void(const Communicator&)>& program) {
    prepare_process();
    try {
        const Mpi mpi;
        const std::terminate_handler without_mpi = std::set_terminate(abort_all_by_terminate);
        const int code = run_watched(program);
        std::set_terminate(without_mpi);
        return code;
    } catch (const std::exception& failure) {  // MPI did not start; its launcher ends the other ranks
        fmt::print(stderr, "failure: {}\n", failure.what());
        return kFailure;
    }
}

}  // namespace bv
