#include "dist/guard.hpp"

#include <cstdio>
#include <exception>

#include "core/command_line.hpp"
#include "core/log.hpp"
#include "core/process_start.hpp"
#include "core/standard_streams.hpp"
#include "core/stop_signal.hpp"
#include "dist/watchdog.hpp"

namespace bv {
namespace {

[[noreturn]] void abort_all(const Communicator& ranks, const char* kind, const char* what, int code) {
    fmt::print(stderr, "{}: rank {} of {}: {}\n", kind, ranks.rank(), ranks.size(), what);
    std::fflush(stderr);
    Mpi::abort(code);
}

}  // namespace

int run_on_ranks(const std::function<void(const Communicator&)>& program) {
    if (!start_process()) return kUserMistake;
    const Mpi mpi;
    const Watchdog watchdog;
    Communicator ranks;
    start_logging(ranks.rank(), ranks.size());
    try {
        program(ranks);
        return kSuccess;
    } catch (const Answered& answer) {
        return ranks.is_root() ? print_answer(answer.text) : kSuccess;
    } catch (const AgreedError& mistake) {
        if (ranks.is_root()) fmt::print(stderr, "error: {}\n", mistake.what());
        return kUserMistake;
    } catch (const Stopped& stop) {
        spdlog::info("{}", stop.what());
        return kRequeue;
    } catch (const Error& mistake) {
        if (ranks.size() > 1) abort_all(ranks, "error", mistake.what(), kUserMistake);
        fmt::print(stderr, "error: {}\n", mistake.what());
        return kUserMistake;
    } catch (const std::exception& failure) {
        abort_all(ranks, "failure", failure.what(), kFailure);
    }
}

}  // namespace bv
