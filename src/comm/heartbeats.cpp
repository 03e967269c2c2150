#include "comm/heartbeats.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/host_name.hpp"

namespace bv {
namespace {

/// The ranks of one host may fall silent one after the other. Those that do so within this many seconds are
/// named in one line.
constexpr double kTogether = 1;

void add(std::string& list, const std::string& item) {
    list += (list.empty() ? "" : "; ") + item;
}

}  // namespace

Beat::Beat(const Activity& activity) : reports(activity.reports), waiting(activity.waiting) {
    host_name().copy(host, sizeof(host) - 1);
    activity.text.copy(doing, sizeof(doing) - 1);
}

Heartbeats::Heartbeats(int rank, int ranks)
    : rank_(static_cast<std::size_t>(rank)), ranks_(static_cast<std::size_t>(ranks)) {}

void Heartbeats::hear(int from, const Beat& beat) {
    Rank& rank = ranks_[static_cast<std::size_t>(from)];
    if (!rank.heard || beat.reports != rank.beat.reports) still_ = 0;
    rank = {beat, 0, true};
}

void Heartbeats::pass(double seconds) {
    still_ += seconds;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
        if (r != rank_ && !ranks_[r].beat.last) ranks_[r].silent += seconds;
    }
}

bool Heartbeats::has_ended(int rank) const {
    return ranks_[static_cast<std::size_t>(rank)].beat.last;
}

bool Heartbeats::all_ended() const {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
        if (r != rank_ && !ranks_[r].beat.last) return false;
    }
    return true;
}

std::string Heartbeats::complaint(double timeout) const {
    std::string hung = silent_ranks(timeout);
    if (hung.empty() && still_ >= (all_wait() ? timeout : kPatience * timeout)) hung = still_ranks();
    return hung.empty() ? "" : fmt::format("hung: {}; seen by rank {}", hung, rank_);
}

bool Heartbeats::all_wait() const {
    // The last words of a silent rank may be out of date. Its silence alone tells whether it hangs.
    return std::all_of(ranks_.begin(), ranks_.end(),
                       [](const Rank& rank) { return rank.beat.waiting && rank.silent <= kTogether; });
}

std::string Heartbeats::silent_ranks(double timeout) const {
    const bool any = std::any_of(ranks_.begin(), ranks_.end(),
                                 [&](const Rank& rank) { return rank.silent >= timeout + kTogether; });
    if (!any) return "";
    std::string list;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
        if (ranks_[r].silent < timeout) continue;
        add(list, fmt::format("{}: no sign for {:.0f} s{}", name_of(r), ranks_[r].silent,
                              ranks_[r].heard ? fmt::format(", last in {}", ranks_[r].beat.doing)
                                              : ", since the start"));
    }
    return list;
}

std::string Heartbeats::still_ranks() const {
    std::string list;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
        if (ranks_[r].beat.waiting) continue;
        add(list, fmt::format("{}: alive, but no progress for {:.0f} s, in {}", name_of(r), still_,
                              ranks_[r].beat.doing));
    }
    if (!list.empty()) return list;
    return fmt::format("all {} ranks: each waits for others for {:.0f} s, this one in {}", ranks_.size(),
                       still_, ranks_[rank_].beat.doing);
}

std::string Heartbeats::name_of(std::size_t rank) const {
    const char* host = ranks_[rank].beat.host;
    return fmt::format("rank {} of {}{}", rank, ranks_.size(),
                       *host == '\0' ? "" : fmt::format(" (host {})", host));
}

}  // namespace bv
