#include "tensor/to_host.hpp"

#include <ATen/ATen.h>

#include "core/activity.hpp"

namespace bv {

at::Tensor to_host(const at::Tensor& tensor) {
    if (tensor.is_cpu()) return tensor;
    const Waiting waiting;
    return tensor.cpu();
}

at::Tensor copy_to_host(const at::Tensor& tensor) {
    return tensor.is_cpu() ? tensor.detach().clone() : to_host(tensor.detach());
}

double value_of(const at::Tensor& scalar) {
    return to_host(scalar.detach()).item<double>();
}

}  // namespace bv
