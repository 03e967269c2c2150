#include "stages/host_copy.hpp"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace bv {

HostCopy::HostCopy(at::Device device) : device_(device) {
    if (!device.is_cpu()) {
        stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
    }
}

at::Tensor HostCopy::empty(at::IntArrayRef shape, at::ScalarType type) const {
    return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(!device_.is_cpu()));
}

void HostCopy::copy(const at::Tensor& source, const at::Tensor& target) {
    if (!stream_) {
        target.copy_(source);
        return;
    }
    c10::Event computed(device_.type());
    computed.record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
    computed.block(*stream_);
    const c10::StreamGuard beside(*stream_);
    target.copy_(source, /*non_blocking=*/true);
    source.record_stream(*stream_);
}

void HostCopy::wait() {
    if (stream_) stream_->synchronize();
}

}  // namespace bv
