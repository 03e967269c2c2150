#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

// What a GPU has computed comes to the host by these functions alone. They wait for everything that is queued
// on the GPU before, sums over the ranks among it, and the watchdog must know of that (`Waiting`): a rank
// whose sum never ends would otherwise pass for one that computes.

/// Local: `tensor` in host memory; itself where it is there already.
at::Tensor to_host(const at::Tensor& tensor);

/// Local: a copy of `tensor`, without its graph, in host memory.
at::Tensor copy_to_host(const at::Tensor& tensor);

/// Local: the value of a tensor of one element.
double value_of(const at::Tensor& scalar);

}  // namespace bv
