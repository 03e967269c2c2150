#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

// Training and prediction copy the results of a GPU to the host by these functions. They wait for all work
// that was queued on the GPU before, sums over the ranks included, and tell the watchdog so (`Waiting`): a
// rank whose sum never ends would otherwise be taken for one that computes.

/// Local: `tensor` in host memory; `tensor` itself where it is there already.
at::Tensor to_host(const at::Tensor& tensor);

/// Local: a copy of `tensor`, without its graph, in host memory.
at::Tensor copy_to_host(const at::Tensor& tensor);

/// Local: the value of a tensor of one element.
double value_of(const at::Tensor& scalar);

}  // namespace bv
