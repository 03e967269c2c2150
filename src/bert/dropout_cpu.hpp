#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

#include "bert/philox.hpp"

namespace bv {

/// to[i] = from[i] times the mask of `stream` for the elements of groups [first, last) of `count` elements,
/// with AVX-512 where the processor has it: the same bits everywhere. `from` may be `to`.
template <typename From, typename To>
void mask_on_cpu(const From* from, To* to, std::int64_t count, const DropoutStream& stream,
                 std::int64_t first, std::int64_t last);

extern template void mask_on_cpu(const float*, float*, std::int64_t, const DropoutStream&, std::int64_t,
                                 std::int64_t);
extern template void mask_on_cpu(const float*, c10::BFloat16*, std::int64_t, const DropoutStream&,
                                 std::int64_t, std::int64_t);
extern template void mask_on_cpu(const c10::BFloat16*, float*, std::int64_t, const DropoutStream&,
                                 std::int64_t, std::int64_t);

}  // namespace bv
