#include "core/standard_streams.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"

namespace bv {
namespace {

/// The exit code of `body`, run in a process of its own.
template <class Body>
int exit_code(Body body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Whether print_results throws an Error once `prepare` has changed standard output.
template <class Prepare>
bool refuses(Prepare prepare) {
    return exit_code([&] {
               prepare();
               reserve_standard_streams();
               try {
                   print_results("results\n");
                   return 0;
               } catch (const Error&) {
                   return 2;
               }
           }) == 2;
}

TEST(StandardStreams, ThatTakeResultsAreFine) {
    EXPECT_FALSE(refuses([] {}));
}

TEST(StandardStreams, ThatAreFullOrClosedAreAnError) {
    EXPECT_TRUE(refuses([] { ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO); }));
    EXPECT_TRUE(refuses([] { ::close(STDOUT_FILENO); }));
}

TEST(StandardStreams, ThatAreClosedAreNoFileOpenedLater) {
    EXPECT_EQ(exit_code([] {
                  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(stream);
                  reserve_standard_streams();
                  return ::open("/dev/null", O_WRONLY) > STDERR_FILENO ? 0 : 1;
              }),
              0);
}

}  // namespace
}  // namespace bv
