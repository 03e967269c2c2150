#include "comm/hosts.hpp"

#include <stdexcept>

#include "core/activity.hpp"

namespace bv {

std::vector<int> hosts_of(const Communicator& ranks) {
    int lowest = ranks.rank();
    {
        const Waiting waiting;
        // Names cannot tell hosts apart: several hosts may have the same name.
        MPI_Comm host = MPI_COMM_NULL;
        if (MPI_Comm_split_type(ranks.handle(), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host) !=
                MPI_SUCCESS ||
            MPI_Allreduce(MPI_IN_PLACE, &lowest, 1, MPI_INT, MPI_MIN, host) != MPI_SUCCESS)
            throw std::runtime_error("MPI cannot tell which ranks share a host");
        MPI_Comm_free(&host);
    }
    std::vector<int> hosts;
    for (const std::string& text : ranks.gather(std::to_string(lowest))) hosts.push_back(std::stoi(text));
    return hosts;
}

}  // namespace bv
