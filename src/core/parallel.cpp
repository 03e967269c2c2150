#include "core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <sched.h>

namespace bv {

int available_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
    return std::max(1, CPU_COUNT(&set));
}

void parallel_for(std::int64_t count, int threads, const std::function<void(std::int64_t)>& body) {
    std::atomic<std::int64_t> next{0};
    std::exception_ptr first_error;
    std::mutex guard;
    auto work = [&] {
        try {
            for (std::int64_t i = next++; i < count; i = next++) body(i);
        } catch (...) {
            next = count;
            std::scoped_lock lock(guard);
            if (!first_error) first_error = std::current_exception();
        }
    };
    std::vector<std::jthread> team;
    for (std::int64_t t = 1; t < std::min<std::int64_t>(threads, count); ++t) team.emplace_back(work);
    work();
    team.clear();  // joins
    if (first_error) std::rethrow_exception(first_error);
}

}  // namespace bv
