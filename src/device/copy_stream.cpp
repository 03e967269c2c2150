#include "device/copy_stream.hpp"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace bv {

CopyStream::CopyStream(at::Device device) : device_(device) {
    if (!device.is_cpu()) {
        stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
    }
}

c10::Stream CopyStream::computing() const {
    return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

void CopyStream::to_host(const at::Tensor& source, const at::Tensor& target) {
    if (!stream_) {
        target.copy_(source);
        return;
    }
    c10::Event computed(device_.type());
    computed.record(computing());
    computed.block(*stream_);
    const c10::StreamGuard beside(*stream_);
    target.copy_(source, /*non_blocking=*/true);
    source.record_stream(*stream_);
}

void CopyStream::wait() {
    if (stream_) stream_->synchronize();
}

at::Tensor CopyStream::to_device(const at::Tensor& host) {
    if (!stream_) return host;
    const c10::StreamGuard beside(*stream_);
    return host.to(device_, /*non_blocking=*/true);
}

at::Tensor CopyStream::hand_over(const at::Tensor& copy) {
    if (!stream_) return copy;
    c10::Event copied(device_.type());
    copied.record(*stream_);
    copied.block(computing());
    copy.record_stream(computing());
    return copy;
}

at::Tensor host_memory(at::IntArrayRef shape, at::ScalarType type, at::Device device) {
    return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(!device.is_cpu()));
}

}  // namespace bv
