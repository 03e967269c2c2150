#include "device/host_memory.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "helpers/temporary_folder.hpp"

namespace bv {
namespace {

constexpr std::int64_t kGib = std::int64_t{1} << 30;

/// A made-up root folder of a host on which 64 GiB are available.
class HostMemory : public testing::Test {
  protected:
    HostMemory() {
        write("proc/meminfo", "MemTotal:       131072000 kB\nMemAvailable:   67108864 kB\nSwapTotal: 0 kB\n");
    }

    void write(const std::string& path, const std::string& content) const {
        const std::filesystem::path whole = folder_.path() / path;
        std::filesystem::create_directories(whole.parent_path());
        std::ofstream(whole) << content;
    }

    /// A group of version 2: its limit, what it uses, and its file cache that could go.
    void limit(const std::string& group, const std::string& most, std::int64_t used,
               std::int64_t cache) const {
        const std::string place = "sys/fs/cgroup" + group;
        write(place + "/memory.max", most + "\n");
        write(place + "/memory.current", std::to_string(used) + "\n");
        write(place + "/memory.stat", "anon 5\ninactive_file " + std::to_string(cache) + "\nactive_file 7\n");
    }

    std::int64_t available() const { return available_host_memory(folder_.path()); }

    const TemporaryFolder folder_;
};

TEST_F(HostMemory, IsTheHostsWithoutGroups) {
    EXPECT_EQ(available(), 64 * kGib);
}

TEST_F(HostMemory, IsUnknownWhereTheHostDoesNotSay) {
    write("proc/meminfo", "MemTotal: 5 kB\n");
    EXPECT_EQ(available(), 0);
}

TEST_F(HostMemory, IsWhatItsGroupLeaves) {
    write("proc/self/cgroup", "0::/jobs/7\n");
    limit("/jobs/7", std::to_string(8 * kGib), 3 * kGib, 0);
    EXPECT_EQ(available(), 5 * kGib);
}

TEST_F(HostMemory, CountsTheFileCacheOfAGroupAsFree) {
    write("proc/self/cgroup", "0::/jobs/7\n");
    limit("/jobs/7", std::to_string(8 * kGib), 7 * kGib, 2 * kGib);
    EXPECT_EQ(available(), 3 * kGib);
}

TEST_F(HostMemory, IsTheLeastThatAnyAncestorLeaves) {
    write("proc/self/cgroup", "0::/jobs/7/step/task\n");
    limit("/jobs/7/step/task", "max", 1 * kGib, 0);
    limit("/jobs/7", std::to_string(16 * kGib), 6 * kGib, 0);
    limit("/jobs", std::to_string(20 * kGib), 19 * kGib, 0);
    EXPECT_EQ(available(), 1 * kGib);
}

TEST_F(HostMemory, OfAGroupWithoutALimitIsTheHosts) {
    write("proc/self/cgroup", "0::/\n");
    limit("", "max", 1 * kGib, 0);
    EXPECT_EQ(available(), 64 * kGib);
}

TEST_F(HostMemory, OfAFullGroupIsNothing) {
    write("proc/self/cgroup", "0::/a\n");
    limit("/a", std::to_string(2 * kGib), 3 * kGib, 0);
    EXPECT_EQ(available(), 0);
}

// A container sees its own group at the mount, while the path is the host's.
TEST_F(HostMemory, OfAContainerIsThatOfTheMount) {
    write("proc/self/cgroup", "0::/../../docker/abc\n");
    limit("", std::to_string(4 * kGib), 1 * kGib, 0);
    EXPECT_EQ(available(), 3 * kGib);
}

TEST_F(HostMemory, KnowsVersion1) {
    write("proc/self/cgroup", "5:cpu,cpuacct:/elsewhere\n4:hugetlb,memory:/slurm/job_3\n1:name=systemd:/x\n");
    const std::string job = "sys/fs/cgroup/memory/slurm/job_3";
    write(job + "/memory.limit_in_bytes", std::to_string(8 * kGib));
    write(job + "/memory.usage_in_bytes", std::to_string(6 * kGib));
    write(job + "/memory.stat", "inactive_file 1\ntotal_inactive_file " + std::to_string(kGib) + "\n");
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(60 * kGib));
    EXPECT_EQ(available(), 3 * kGib);
}

TEST(HostMemoryOfThisMachine, IsThere) {
    EXPECT_GT(available_host_memory(), 0);
}

}  // namespace
}  // namespace bv
