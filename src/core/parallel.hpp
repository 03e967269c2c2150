#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace bv {

/// The numbers of the cores this process may run on, from its affinity mask (a launcher's binding counts, the
/// machine's size does not).
std::vector<int> cores_of_process();

/// The number of those cores, at least 1.
int available_cores();

/// Calls `body(i)` for every i in [0, count) on `threads` threads, in no particular order. The first
/// exception thrown by a body is rethrown here after all threads have ended.
void parallel_for(std::int64_t count, int threads, const std::function<void(std::int64_t)>& body);

}  // namespace bv
