#include <csignal>

#include <gtest/gtest.h>

#include "programs/shared/stopping.hpp"

namespace bv {
namespace {

// The request stays, so the parts stand in one test.
TEST(WhenTold, WorkThatIsWholeEndsAsIfNothingHadBeenSaid) {
    const Communicator ranks;
    const bool last = ranks.rank() == ranks.size() - 1;
    EXPECT_FALSE(ends_now(WhenTold::end));
    if (last) std::raise(SIGUSR1);
    EXPECT_EQ(ends_now(WhenTold::end), last);
    EXPECT_FALSE(ends_now(WhenTold::go_on));
    EXPECT_NO_THROW(end_together(/*cut_short=*/false, "nothing is missing", ranks));
    EXPECT_THROW(end_together(/*cut_short=*/last, "a part is missing", ranks), Stopped);
}

}  // namespace
}  // namespace bv
