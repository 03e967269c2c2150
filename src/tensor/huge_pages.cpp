#include "tensor/huge_pages.hpp"

#include <cstdint>

#include <ATen/ops/empty.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace bv {

at::Tensor zeros_in_huge_pages(std::int64_t elements, const at::TensorOptions& like) {
    at::Tensor buffer = at::empty({elements}, like);
#ifdef MADV_HUGEPAGE
    constexpr std::uintptr_t kPage = std::uintptr_t{1} << 21;
    const auto begin = reinterpret_cast<std::uintptr_t>(buffer.data_ptr());
    const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
    const std::uintptr_t last = (begin + buffer.nbytes()) / kPage * kPage;
    // The advice must come before the first access to the memory. If the system does not follow it, the pages
    // are small as usual.
    if (buffer.is_cpu() && last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
    return buffer.zero_();
}

}  // namespace bv
