#include "dist/collective.hpp"

#include <algorithm>

#ifdef BV_CUDA
#include "dist/nccl_collective.hpp"
#endif

namespace bv {
namespace {

// MPI counts are 32 bit, and pieces of this size keep Open MPI's temporary buffers small.
constexpr std::int64_t kPiece = std::int64_t{1} << 24;

}  // namespace

void MpiCollective::all_reduce(float* data, std::int64_t count) {
    for (std::int64_t at = 0; at < count; at += kPiece) {
        const int piece = static_cast<int>(std::min(kPiece, count - at));
        const int code = MPI_Allreduce(MPI_IN_PLACE, data + at, piece, MPI_FLOAT, MPI_SUM, ranks_.handle());
        if (code != MPI_SUCCESS) throw std::runtime_error("MPI_Allreduce failed");
    }
}

void MpiCollective::broadcast(float* data, std::int64_t count, int root) {
    for (std::int64_t at = 0; at < count; at += kPiece) {
        const int piece = static_cast<int>(std::min(kPiece, count - at));
        if (MPI_Bcast(data + at, piece, MPI_FLOAT, root, ranks_.handle()) != MPI_SUCCESS) {
            throw std::runtime_error("MPI_Bcast failed");
        }
    }
}

std::unique_ptr<Collective> make_collective(const Communicator& ranks, int device) {
    if (device < 0) return std::make_unique<MpiCollective>(ranks);
#ifdef BV_CUDA
    return std::make_unique<NcclCollective>(ranks);
#else
    fail("this build has no CUDA: configure it where nvcc is found, or use --device cpu");
#endif
}

}  // namespace bv
