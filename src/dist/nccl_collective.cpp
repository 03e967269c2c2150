#include "dist/nccl_collective.hpp"

#include <cstring>

#include <nccl.h>

namespace bv {
namespace {

constexpr cudaStream_t kDefaultStream = nullptr;

void check(ncclResult_t code, const char* call) {
    if (code != ncclSuccess) {
        throw std::runtime_error(fmt::format("{} failed: {}", call, ncclGetErrorString(code)));
    }
}

}  // namespace

NcclCollective::NcclCollective(const Communicator& ranks) {
    ncclUniqueId id{};
    if (ranks.is_root()) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    const std::string text = ranks.broadcast(std::string(id.internal, sizeof(id.internal)));
    std::memcpy(id.internal, text.data(), sizeof(id.internal));
    ranks.barrier();
    check(ncclCommInitRank(&handle_, ranks.size(), id, ranks.rank()), "ncclCommInitRank");
}

NcclCollective::~NcclCollective() {
    ncclCommDestroy(handle_);
}

void NcclCollective::all_reduce(float* data, std::int64_t count) {
    check(ncclAllReduce(data, data, static_cast<std::size_t>(count), ncclFloat, ncclSum, handle_,
                        kDefaultStream),
          "ncclAllReduce");
}

void NcclCollective::broadcast(float* data, std::int64_t count, int root) {
    check(
        ncclBroadcast(data, data, static_cast<std::size_t>(count), ncclFloat, root, handle_, kDefaultStream),
        "ncclBroadcast");
}

}  // namespace bv
