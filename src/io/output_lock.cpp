#include "io/output_lock.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/host_name.hpp"
#include "core/log.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

/// If another process holds the lock, it is asked for this many times, with these pauses, before an error.
constexpr int kLooks = 10;
constexpr std::chrono::milliseconds kPause{50};

std::string description() {
    const char* job = std::getenv("SLURM_JOB_ID");
    return fmt::format("host {} pid {} job {}\n", host_name(), ::getpid(), job != nullptr ? job : "none");
}

/// The text that the holder wrote. It is read by the descriptor, because the file may have lost its name
/// meanwhile.
std::string text_of(int descriptor) {
    std::array<char, 512> text{};
    const ssize_t length = ::pread(descriptor, text.data(), text.size(), 0);
    std::string_view found(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    if (found.ends_with('\n')) found.remove_suffix(1);
    return std::string(found);
}

/// Whether `path` still names the file behind `descriptor`. The last holder may have removed the file after
/// it was opened here.
bool still_named(const fs::path& path, int descriptor) {
    struct stat held {
    }, named{};
    return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/// Makes the folder and the folders above it, and adds those that it made to `made`.
void make_folder(const fs::path& folder, std::vector<fs::path>& made) {
    std::vector<fs::path> missing;
    std::error_code wrong;
    for (fs::path above = folder; !above.empty() && !fs::exists(above, wrong); above = above.parent_path())
        missing.push_back(above);
    for (; !missing.empty(); missing.pop_back()) {
        if (fs::create_directory(missing.back(), wrong)) made.push_back(missing.back());
        // Another process removed the folder above with its lock: the caller tries again.
        if (wrong == std::errc::no_such_file_or_directory) return;
        if (wrong) fail("cannot create folder {}: {}", folder.string(), wrong.message());
    }
}

enum class Answer { taken, held, gone, no_locks };

/// Asks the kernel once for the lock of an open file.
Answer ask(int descriptor, const fs::path& path) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        return still_named(path, descriptor) ? Answer::taken : Answer::gone;
    const int why = errno;
    if (why == EWOULDBLOCK || why == EINTR)
        return still_named(path, descriptor) ? Answer::held : Answer::gone;
    if (why == ENOSYS || why == EOPNOTSUPP || why == ENOLCK) return Answer::no_locks;
    fail("cannot lock {}: {}", path.string(), std::strerror(why));
}

void warn_of_no_locks(const fs::path& output) {
    static std::atomic<bool> warned{false};
    if (!warned.exchange(true)) {
        spdlog::warn("{}: its file system has no locks; make sure that no other job writes it",
                     output.string());
    }
}

/// Opens and locks `path`, in a folder that may have to be made first.
Descriptor take(const fs::path& output, const fs::path& path, std::vector<fs::path>& made) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::string holder;
    // A process that has just taken the lock has not written its name yet, and the file may still hold the
    // name of a dead process. A process that is ending frees the lock soon, and may remove an empty folder.
    // So a name counts only when it was found several times in a row.
    for (int looks = 1; looks <= kLooks; ++looks) {
        if (looks > 1) std::this_thread::sleep_for(kPause);
        make_folder(folder, made);
        // The mode lets others of a group that shares the folder take over the lock of a dead process.
        Descriptor file(path, O_RDWR | O_CREAT, 0666);
        if (!file.ok() && errno == ENOENT && looks < kLooks) continue;
        if (!file.ok()) fail("cannot open {} to lock it: {}", path.string(), std::strerror(errno));
        const Answer answer = ask(file.get(), path);
        if (answer == Answer::no_locks) warn_of_no_locks(output);
        if (answer == Answer::no_locks || answer == Answer::taken) return file;
        std::string text = answer == Answer::held ? text_of(file.get()) : "";
        if (text != holder) looks = 1;
        holder = std::move(text);
    }
    fail("{} is being written by another process ({}, as {} says)", output.string(),
         holder.empty() ? "which has not written its name yet" : holder, path.string());
}

/// Writes who holds the lock, and flushes it to the disk, because other hosts read it.
void write_description(int descriptor, const fs::path& path) {
    const std::string text = description();
    if (::ftruncate(descriptor, 0) != 0 ||
        ::pwrite(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(descriptor) != 0) {
        fail("cannot write {}: {}", path.string(), std::strerror(errno));
    }
}

}  // namespace

fs::path OutputLock::beside(const fs::path& file) {
    std::error_code wrong;
    fs::path lock_file = fs::weakly_canonical(file, wrong);
    if (wrong) lock_file = file;
    lock_file += ".lock";
    return lock_file;
}

OutputLock OutputLock::of_file(const fs::path& file) {
    return {file, beside(file)};
}

OutputLock OutputLock::of_folder(const fs::path& folder) {
    return {folder, folder / ".lock"};
}

OutputLock::OutputLock(const fs::path& output, fs::path lock_file) : path_(std::move(lock_file)) {
    try {
        descriptor_ = take(output, path_, made_);
        write_description(descriptor_.get(), path_);
    } catch (...) {
        release();
        throw;
    }
}

OutputLock::OutputLock(OutputLock&& other) noexcept
    : path_(std::move(other.path_)),
      made_(std::move(other.made_)),
      descriptor_(std::move(other.descriptor_)) {
    other.made_.clear();
}

OutputLock::~OutputLock() {
    release();
}

void OutputLock::release() noexcept {
    if (descriptor_.ok()) ::unlink(path_.c_str());
    descriptor_ = {};
    for (; !made_.empty(); made_.pop_back())
        ::rmdir(made_.back().c_str());  // fails if the folder is not empty
}

bool OutputLock::stands_alone() const {
    const fs::path folder = path_.parent_path();
    std::error_code wrong;
    const fs::directory_iterator entries(folder, wrong);
    if (wrong) fail("cannot list {}: {}", folder.string(), wrong.message());
    return std::all_of(begin(entries), end(entries),
                       [&](const fs::directory_entry& entry) { return entry.path() == path_; });
}

}  // namespace bv
