#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

// Training and prediction copy the results of a GPU to the host by these functions. They wait for all work
// that was queued on the GPU before, also for sums over the ranks, and tell the watchdog that they wait
// (`Waiting`). Otherwise the watchdog would believe that a rank computes, although its sum never ends.

/// Local: `tensor` in host memory; `tensor` itself if it is there already.
at::Tensor to_host(const at::Tensor& tensor);

/// Local: a copy of `tensor`, without its graph, in host memory.
at::Tensor copy_to_host(const at::Tensor& tensor);

/// Local: the value of a tensor of one element.
double value_of(const at::Tensor& scalar);

}  // namespace bv
