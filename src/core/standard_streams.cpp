#include "core/standard_streams.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"

namespace bv {

void reserve_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
        // open() takes the lowest free number, which is that of this stream. It opens for reading only, so
        // that writing fails as it should.
        [[maybe_unused]] const int opened = ::open("/dev/null", O_RDONLY);
    }
}

void print_results(std::string_view text) {
    const bool written =
        std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    if (!written) fail("cannot write to standard output: {}", std::strerror(errno));
}

int print_answer(std::string_view text) {
    try {
        print_results(text);
        return kSuccess;
    } catch (const Error& wrong) {
        fmt::print(stderr, "error: {}\n", wrong.what());
        return kUserMistake;
    }
}

}  // namespace bv
