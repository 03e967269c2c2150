#include "store/store_lock.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/log.hpp"

namespace bv {
namespace {

std::string description() {
    char host[256] = "";
    ::gethostname(host, sizeof(host) - 1);
    const char* job = std::getenv("SLURM_JOB_ID");
    return fmt::format("host {} pid {} job {}\n", host, ::getpid(), job != nullptr ? job : "none");
}

// Whether `path` still names the file behind `descriptor`: its last holder may have removed it since it was
// opened.
bool still_named(const std::filesystem::path& path, int descriptor) {
    struct stat held {
    }, named{};
    return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace

StoreLock::StoreLock(const std::filesystem::path& store) : path_(store) {
    path_ += ".lock";
    for (;;) {
        descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (descriptor_ < 0) fail("cannot create {}: {}", path_.string(), std::strerror(errno));
        if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
            const int why = errno;
            if (why == ENOSYS || why == EOPNOTSUPP || why == ENOLCK) {
                spdlog::warn("{}: its file system has no locks; make sure that no other job writes it",
                             store.string());
                break;
            }
            ::close(descriptor_);
            if (why != EWOULDBLOCK) fail("cannot lock {}: {}", path_.string(), std::strerror(why));
            std::string holder = read_file(path_);
            if (!holder.empty() && holder.back() == '\n') holder.pop_back();
            fail("{} is being written by another process ({}, as {} says)", store.string(), holder,
                 path_.string());
        }
        if (still_named(path_, descriptor_)) break;
        ::close(descriptor_);
    }
    const std::string text = description();
    if (::ftruncate(descriptor_, 0) != 0 ||
        ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        const int why = errno;
        ::close(descriptor_);
        fail("cannot write {}: {}", path_.string(), std::strerror(why));
    }
}

StoreLock::~StoreLock() {
    ::unlink(path_.c_str());
    ::close(descriptor_);
}

}  // namespace bv
