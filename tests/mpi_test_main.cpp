#include <gmock/gmock.h>

#include "comm/communicator.hpp"
#include "helpers/allowed_skips.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleMock(&argc, argv);
    const bv::Mpi mpi;
    const bv::Communicator ranks;
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    listeners.Append(new bv::AllowedSkips(BV_ALLOWED_SKIPS));
    if (!ranks.is_root()) {
        // One report is enough; a failure of another rank is still in its exit code.
        delete listeners.Release(listeners.default_result_printer());
    }
    const int wrong = RUN_ALL_TESTS();
    return ranks.max(static_cast<double>(wrong)) > 0 ? 1 : 0;
}
