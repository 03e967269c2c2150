#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// A tensor (elements) of zeros with the options `like`. In host memory under Linux it lies in huge pages if
/// the system has some. A pass over all parameters then has up to 512 times fewer TLB misses.
at::Tensor zeros_in_huge_pages(std::int64_t elements, const at::TensorOptions& like);

}  // namespace bv
