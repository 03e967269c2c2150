#include "core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include <sched.h>

namespace bv {

std::vector<int> cores_of_process() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return {};
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
    return cores;
}

int available_cores() {
    return std::max(1, static_cast<int>(cores_of_process().size()));
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
    team.clear();  // waits for all threads
    if (first_error) std::rethrow_exception(first_error);
}

}  // namespace bv
