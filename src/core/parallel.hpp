#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace bv {

/// The numbers of the cores on which this process may run, as its affinity mask says. So a launcher's binding
/// counts, and the size of the machine does not.
std::vector<int> cores_of_process();

/// The number of those cores, at least 1.
int available_cores();

/// Calls `body(i)` for every i in [0, count) on `threads` threads, in no particular order. If a call throws,
/// no further calls are started, and the first exception is thrown again here after all threads have ended.
void parallel_for(std::int64_t count, int threads, const std::function<void(std::int64_t)>& body);

}  // namespace bv
