#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// A buffer of `elements` zeros like `like`, in huge pages where the system has some to give (Linux, host
/// memory): a pass over all parameters then misses the table of pages 512 times less often.
at::Tensor zeros_in_huge_pages(std::int64_t elements, const at::TensorOptions& like);

}  // namespace bv
