#include "comm/run_alone.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "config/command_line.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/process.hpp"
#include "core/standard_streams.hpp"

namespace bv {

int run_alone(const std::function<void()>& program) {
    prepare_process();
    try {
        start_logging(0, 1);
        const char* ranks = std::getenv("OMPI_COMM_WORLD_SIZE");
        if (ranks != nullptr && std::string(ranks) != "1") {
            fail(
                "this program runs as a single process: start it without mpirun (mpirun started {} "
                "processes)",
                ranks);
        }
        program();
        return kSuccess;
    } catch (const Answered& answer) {
        return print_answer(answer.text);
    } catch (const Error& mistake) {
        fmt::print(stderr, "error: {}\n", mistake.what());
        return kUserMistake;
    } catch (const std::exception& failure) {
        fmt::print(stderr, "failure: {}\n", failure.what());
        return kFailure;
    }
}

}  // namespace bv
