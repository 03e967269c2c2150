#include "comm/collective.hpp"

#include <algorithm>
#include <memory>

#include "comm/mpi_call.hpp"
#include "core/activity.hpp"

#ifdef BV_CUDA
#include "comm/nccl_collective.hpp"
#endif

namespace bv {
namespace {

// MPI counts have 32 bits. Pieces of this size also keep Open MPI's temporary buffers small.
constexpr std::int64_t kPiece = std::int64_t{1} << 24;

template <typename Work>
void for_each_piece(float* data, std::int64_t count, const Work& work) {
    for (std::int64_t at = 0; at < count; at += kPiece)
        work(data + at, static_cast<int>(std::min(kPiece, count - at)));
}

}  // namespace

void MpiCollective::all_reduce(float* data, std::int64_t count) {
    const Waiting waiting;
    for_each_piece(data, count, [&](float* piece, int size) {
        check_mpi(MPI_Allreduce(MPI_IN_PLACE, piece, size, MPI_FLOAT, MPI_SUM, ranks_.handle()),
                  "MPI_Allreduce");
    });
}

void MpiCollective::start_all_reduce(float* data, std::int64_t count) {
    if (ranks_.size() == 1) return;
    for_each_piece(data, count, [&](float* piece, int size) {
        check_mpi(MPI_Iallreduce(MPI_IN_PLACE, piece, size, MPI_FLOAT, MPI_SUM, ranks_.handle(),
                                 &running_.emplace_back(MPI_REQUEST_NULL)),
                  "MPI_Iallreduce");
    });
}

void MpiCollective::poll() {
    if (running_.empty()) return;
    int done = 0;
    check_mpi(MPI_Testall(static_cast<int>(running_.size()), running_.data(), &done, MPI_STATUSES_IGNORE),
              "MPI_Testall");
    if (done != 0) running_.clear();
}

void MpiCollective::wait() {
    const Waiting waiting;
    check_mpi(MPI_Waitall(static_cast<int>(running_.size()), running_.data(), MPI_STATUSES_IGNORE),
              "MPI_Waitall");
    running_.clear();
}

void MpiCollective::broadcast(float* data, std::int64_t count, int root) {
    const Waiting waiting;
    for_each_piece(data, count, [&](float* piece, int size) {
        check_mpi(MPI_Bcast(piece, size, MPI_FLOAT, root, ranks_.handle()), "MPI_Bcast");
    });
}

Collective& make_collective(const Communicator& ranks, int device) {
    if (device < 0) return ranks.keep(std::make_shared<MpiCollective>(ranks));
#ifdef BV_CUDA
    return ranks.keep(std::make_shared<NcclCollective>(ranks));
#else
    fail("this build has no CUDA: configure the build on a machine that has nvcc, or use --device cpu");
#endif
}

}  // namespace bv
