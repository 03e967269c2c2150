#include "comm/communicator.hpp"

#include <chrono>
#include <numeric>
#include <system_error>
#include <thread>

#include <unistd.h>

#include "comm/mpi_call.hpp"
#include "core/activity.hpp"
#include "core/host_name.hpp"

namespace bv {
namespace {

int as_count(std::size_t bytes) {
    BV_EXPECT(bytes <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
    return static_cast<int>(bytes);
}

}  // namespace

Mpi::Mpi() {
    int provided = 0;
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    BV_EXPECT(provided == MPI_THREAD_MULTIPLE);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

Mpi::~Mpi() {
    MPI_Finalize();
}

void Mpi::abort(int code) {
    try {
        std::thread([code] {
            std::this_thread::sleep_for(std::chrono::seconds(10));
            _exit(code);
        }).detach();
    } catch (const std::system_error&) {
        // The system allows no further thread: MPI_Abort is called without one.
    }
    MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

Communicator::Communicator() {
    const Waiting waiting;
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &handle_), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(handle_, &rank_);
    MPI_Comm_size(handle_, &size_);
    MPI_Comm host = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split_type(handle_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host),
              "MPI_Comm_split_type");
    MPI_Comm_size(host, &local_size_);
    MPI_Comm_free(&host);
}

Communicator::~Communicator() {
    while (!kept_.empty()) kept_.pop_back();
    MPI_Comm_free(&handle_);
}

void Communicator::barrier() const {
    const Waiting waiting;
    check_mpi(MPI_Barrier(handle_), "MPI_Barrier");
}

void Communicator::agree(const std::function<void()>& check_here) const {
    std::string complaint;
    bool wrong = false;
    try {
        check_here();
    } catch (const Error& error) {
        wrong = true;
        complaint = error.what();
    }
    const int mine = wrong ? rank_ : size_;
    int first = size_;
    {
        const Waiting waiting;
        check_mpi(MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, handle_), "MPI_Allreduce");
    }
    if (first < size_) throw AgreedError(broadcast(complaint, first));
}

void Communicator::root_only(const std::function<void()>& work) const {
    agree([&] {
        if (is_root()) work();
    });
}

void Communicator::require_equal(const std::string& own, const std::string& what) const {
    const std::string of_root = broadcast(own);
    agree([&] {
        if (own == of_root) return;
        fail(
            "{} differs between the ranks: rank {} on host {} has {}, and rank 0 has {}; all ranks must read "
            "the same files, with the same flags",
            what, rank_, host_name(), own, of_root);
    });
}

std::string Communicator::broadcast(std::string text, int root) const {
    const Waiting waiting;
    std::uint64_t bytes = text.size();
    check_mpi(MPI_Bcast(&bytes, 1, MPI_UINT64_T, root, handle_), "MPI_Bcast");
    text.resize(bytes);
    check_mpi(MPI_Bcast(text.data(), as_count(bytes), MPI_CHAR, root, handle_), "MPI_Bcast");
    return text;
}

std::vector<std::string> Communicator::gather(const std::string& text) const {
    const Waiting waiting;
    const int mine = as_count(text.size());
    std::vector<int> counts(static_cast<std::size_t>(size_));
    check_mpi(MPI_Allgather(&mine, 1, MPI_INT, counts.data(), 1, MPI_INT, handle_), "MPI_Allgather");
    std::vector<int> starts(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
    std::string all(static_cast<std::size_t>(starts.back()) + static_cast<std::size_t>(counts.back()), '\0');
    check_mpi(MPI_Allgatherv(text.data(), mine, MPI_CHAR, all.data(), counts.data(), starts.data(), MPI_CHAR,
                             handle_),
              "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < counts.size(); ++r) {
        texts.push_back(all.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(counts[r])));
    }
    return texts;
}

double Communicator::sum(double value) const {
    const Waiting waiting;
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, handle_), "MPI_Allreduce");
    return value;
}

std::int64_t Communicator::sum(std::int64_t value) const {
    const Waiting waiting;
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_SUM, handle_), "MPI_Allreduce");
    return value;
}

void Communicator::sum(std::span<double> values) const {
    const Waiting waiting;
    check_mpi(
        MPI_Allreduce(MPI_IN_PLACE, values.data(), as_count(values.size()), MPI_DOUBLE, MPI_SUM, handle_),
        "MPI_Allreduce");
}

double Communicator::max(double value) const {
    const Waiting waiting;
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, handle_), "MPI_Allreduce");
    return value;
}

}  // namespace bv
