#include "comm/watchdog.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <utility>

#include <mpi.h>

#include "comm/communicator.hpp"

namespace bv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTag = 1;
constexpr std::chrono::milliseconds kBeat{500};
constexpr double kBeatSeconds = std::chrono::duration<double>(kBeat).count();
/// The time between two looks for the last beats of the others.
constexpr std::chrono::milliseconds kEndingBeat{5};
/// Before the first rank ends all, every rank has this many seconds to find and print the same.
constexpr double kGrace = 3;

std::atomic<double> hang_timeout{120};

/// The questions of all `Watched` objects of this process.
struct Questions {
    std::mutex mutex;
    std::list<std::function<std::string()>> all;
};

Questions& questions() {
    static Questions only;
    return only;
}

std::string what_is_wrong() {
    const std::lock_guard lock(questions().mutex);
    std::string wrong;
    for (const auto& question : questions().all) wrong += question();
    return wrong;
}

int of_world(int (*ask)(MPI_Comm, int*)) {
    int number = 0;
    ask(MPI_COMM_WORLD, &number);
    return number;
}

void print(const std::string& line) {
    fmt::print(stderr, "{}\n", line);
    std::fflush(stderr);
}

}  // namespace

struct Watchdog::Sending {
    int to;
    Beat beat;  // MPI reads it until the request is done
    MPI_Request request = MPI_REQUEST_NULL;

    /// Sends `next`, unless the previous beat is still under way or was the last one. Returns whether the
    /// last beat has been sent.
    bool send(const Beat& next) {
        int done = 0;
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (done == 0) return false;
        if (beat.last) return true;
        beat = next;
        MPI_Isend(&beat, sizeof(Beat), MPI_BYTE, to, kTag, MPI_COMM_WORLD, &request);
        return false;
    }
};

Watchdog::Watchdog()
    : rank_(of_world(MPI_Comm_rank)), size_(of_world(MPI_Comm_size)), heartbeats_(rank_, size_) {
    for (int rank = 0; rank < size_; ++rank) {
        if (rank != rank_) sendings_.push_back({rank, {}});
    }
    if (size_ > 1) thread_ = std::thread([this] { run(); });
}

Watchdog::~Watchdog() {
    if (!thread_.joinable()) return;
    const Waiting waiting;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Watchdog::run() {
    Clock::time_point next_beat = Clock::now();
    std::unique_lock lock(mutex_);
    for (bool ended = false; !ended;) {
        const bool ending = ending_;
        lock.unlock();
        receive();
        const bool due = Clock::now() >= next_beat;
        if (due || ending) {
            Beat own(activity());
            own.last = ending;
            heartbeats_.hear(rank_, own);
            const bool sent = send(own);
            ended = sent && heartbeats_.all_ended();
        }
        if (due && !ended) {
            heartbeats_.pass(kBeatSeconds);
            judge();
            next_beat = Clock::now() + kBeat;
        }
        lock.lock();
        const auto until = ending ? std::min(next_beat, Clock::now() + kEndingBeat) : next_beat;
        if (!ended) wake_.wait_until(lock, until, [&] { return ending_ != ending; });
    }
}

void Watchdog::receive() {
    for (const Sending& other : sendings_) {
        // After the last beat of a rank, beats of its next watchdog may come. They are for this rank's next
        // watchdog.
        while (!heartbeats_.has_ended(other.to)) {
            int come = 0;
            MPI_Iprobe(other.to, kTag, MPI_COMM_WORLD, &come, MPI_STATUS_IGNORE);
            if (come == 0) break;
            Beat beat;
            MPI_Recv(&beat, sizeof(Beat), MPI_BYTE, other.to, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            heartbeats_.hear(other.to, beat);
        }
    }
}

/// Returns whether the last beat has been sent to every other rank.
bool Watchdog::send(const Beat& beat) {
    bool all = true;
    for (Sending& sending : sendings_) all = sending.send(beat) && all;
    return all;
}

/// Ends all ranks if one of them hangs.
void Watchdog::judge() {
    if (const std::string wrong = what_is_wrong(); !wrong.empty()) {
        print(fmt::format("failure: rank {} of {}: {}", rank_, size_, wrong));
        Mpi::abort(kFailure);
    }
    if (grace_ > 0) {
        grace_ += kBeatSeconds;
        if (grace_ > kGrace) Mpi::abort(kFailure);
        return;
    }
    const double timeout = hang_timeout;
    const std::string complaint = timeout > 0 ? heartbeats_.complaint(timeout) : "";
    if (complaint.empty()) return;
    print(complaint);
    grace_ = kBeatSeconds;
}

void set_hang_timeout(double seconds) {
    hang_timeout = seconds;
}

Watched::Watched(std::function<std::string()> wrong) {
    const std::lock_guard lock(questions().mutex);
    place_ = questions().all.insert(questions().all.end(), std::move(wrong));
}

Watched::~Watched() {
    const std::lock_guard lock(questions().mutex);
    questions().all.erase(place_);
}

}  // namespace bv
