#include "collective_conformance.hpp"

namespace bv {
namespace {

/// Host memory and MPI.
class Host {
  public:
    explicit Host(const Communicator& ranks) : collective_(make_collective(ranks, -1)) {}

    static std::string why_not() { return ""; }
    Collective& collective() { return collective_; }

    static std::unique_ptr<float[]> buffer(const std::vector<float>& values) {
        std::unique_ptr<float[]> memory(new float[values.size()]);
        std::copy(values.begin(), values.end(), memory.get());
        return memory;
    }

    static std::vector<float> content(const std::unique_ptr<float[]>& memory, std::int64_t count) {
        return {memory.get(), memory.get() + count};
    }

  private:
    Collective& collective_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Mpi, CollectiveConformance, Host);

TEST(MakeCollective, WithoutAGpuItIsMpi) {
    const Communicator ranks;
    EXPECT_EQ(make_collective(ranks, -1).name(), "MPI");
}

}  // namespace
}  // namespace bv
