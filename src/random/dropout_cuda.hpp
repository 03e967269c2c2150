#pragma once

#include <c10/util/BFloat16.h>

#include "random/dropout_kernel.hpp"

namespace bv {

/// Applies `mask_counter` to all of `rows`, in GPU memory, on the default stream of the current GPU. From
/// and To are float or BFloat16. Throws std::runtime_error with CUDA's reason.
template <typename From, typename To>
void mask_on_gpu(const From* from, const float* added, To* to, const MaskedRows& rows);

}  // namespace bv
