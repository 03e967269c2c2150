#include "comm/nccl_collective.hpp"

#include <cstring>

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "core/activity.hpp"

namespace bv {
namespace {

constexpr cudaStream_t kDefaultStream = nullptr;

void check(ncclResult_t code, const char* call) {
    if (code != ncclSuccess) {
        throw std::runtime_error(fmt::format("{} failed: {}", call, ncclGetErrorString(code)));
    }
}

void check(cudaError_t code, const char* call) {
    if (code != cudaSuccess)
        throw std::runtime_error(fmt::format("{} failed: {}", call, cudaGetErrorString(code)));
}

std::string asynchronous_error(ncclComm_t handle) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(handle, &state);
    const ncclResult_t code = asked == ncclSuccess ? state : asked;
    if (code == ncclSuccess || code == ncclInProgress) return "";
    return fmt::format("NCCL failed asynchronously: {}", ncclGetErrorString(code));
}

}  // namespace

NcclCollective::NcclCollective(const Communicator& ranks) {
    ncclUniqueId id{};
    if (ranks.is_root()) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    const std::string text = ranks.broadcast(std::string(id.internal, sizeof(id.internal)));
    std::memcpy(id.internal, text.data(), sizeof(id.internal));
    ranks.barrier();
    const Waiting waiting;
    check(ncclCommInitRank(&handle_, ranks.size(), id, ranks.rank()), "ncclCommInitRank");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreateWithFlags(&ready_, cudaEventDisableTiming), "cudaEventCreate");
    check(cudaEventCreateWithFlags(&summed_, cudaEventDisableTiming), "cudaEventCreate");
    watched_.emplace([this] { return asynchronous_error(handle_); });
}

NcclCollective::~NcclCollective() {
    watched_.reset();
    const Waiting waiting;
    cudaEventDestroy(summed_);
    cudaEventDestroy(ready_);
    cudaStreamDestroy(stream_);
    ncclCommDestroy(handle_);
}

void NcclCollective::all_reduce(float* data, std::int64_t count) {
    check(ncclAllReduce(data, data, static_cast<std::size_t>(count), ncclFloat, ncclSum, handle_,
                        kDefaultStream),
          "ncclAllReduce");
}

void NcclCollective::start_all_reduce(float* data, std::int64_t count) {
    check(cudaEventRecord(ready_, kDefaultStream), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream_, ready_, 0), "cudaStreamWaitEvent");
    check(ncclAllReduce(data, data, static_cast<std::size_t>(count), ncclFloat, ncclSum, handle_, stream_),
          "ncclAllReduce");
}

void NcclCollective::wait() {
    check(cudaEventRecord(summed_, stream_), "cudaEventRecord");
    check(cudaStreamWaitEvent(kDefaultStream, summed_, 0), "cudaStreamWaitEvent");
}

void NcclCollective::broadcast(float* data, std::int64_t count, int root) {
    check(
        ncclBroadcast(data, data, static_cast<std::size_t>(count), ncclFloat, root, handle_, kDefaultStream),
        "ncclBroadcast");
}

}  // namespace bv
