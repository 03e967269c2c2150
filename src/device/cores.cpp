#include "device/cores.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

#include <fmt/ranges.h>

#include "comm/hosts.hpp"
#include "core/parallel.hpp"

namespace bv {

int share_of_cores(const std::vector<std::vector<int>>& masks, std::size_t mine) {
    std::map<int, int> sharers;  // number of processes that may run on each core
    for (const std::vector<int>& mask : masks) {
        for (const int core : mask) ++sharers[core];
    }
    double share = 0;
    for (const int core : masks[mine]) share += 1.0 / sharers[core];
    constexpr double kRounding = 1e-6;
    return std::max(1, static_cast<int>(share + kRounding));
}

int share_of_cores(const Communicator& ranks) {
    const std::vector<int> hosts = hosts_of(ranks);
    const std::vector<std::string> texts =
        ranks.gather(fmt::format("{}", fmt::join(cores_of_process(), " ")));
    const auto own = static_cast<std::size_t>(ranks.rank());
    std::vector<std::vector<int>> masks;
    std::size_t mine = 0;
    for (std::size_t r = 0; r < texts.size(); ++r) {
        if (hosts[r] != hosts[own]) continue;
        if (r == own) mine = masks.size();
        std::istringstream numbers(texts[r]);
        std::vector<int>& mask = masks.emplace_back();
        for (int core = 0; numbers >> core;) mask.push_back(core);
    }
    return share_of_cores(masks, mine);
}

}  // namespace bv
