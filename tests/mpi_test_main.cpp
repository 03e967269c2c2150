#include <gmock/gmock.h>

#include "comm/communicator.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleMock(&argc, argv);
    const bv::Mpi mpi;
    const bv::Communicator ranks;
    if (!ranks.is_root()) {
        // One report is enough; a failure of another rank is still in its exit code.
        auto& listeners = testing::UnitTest::GetInstance()->listeners();
        delete listeners.Release(listeners.default_result_printer());
    }
    const int wrong = RUN_ALL_TESTS();
    return ranks.max(static_cast<double>(wrong)) > 0 ? 1 : 0;
}
