#pragma once

#include <filesystem>
#include <vector>

#include "io/descriptor.hpp"

namespace bv {

/// The right to write a file or a folder. It is a lock file that is locked by the kernel (flock); it holds
/// host, pid and job, for messages. The kernel frees the lock however the process ends, so the file of a
/// dead writer blocks nobody. If a file system has no locks, a warning is logged instead.
class OutputLock {
  public:
    /// Local: locks FILE.lock, beside the file. Throws Error naming the holder when another process has it.
    static OutputLock of_file(const std::filesystem::path& file);

    /// Local: locks a folder by FOLDER/.lock, which lies inside, so that every name of the folder leads to
    /// it. Makes the folder where there is none. Throws Error as above.
    static OutputLock of_folder(const std::filesystem::path& folder);

    /// Removes the lock file and those folders made for it that are still empty, and frees the lock.
    ~OutputLock();
    OutputLock(OutputLock&& other) noexcept;
    OutputLock& operator=(OutputLock&&) = delete;
    OutputLock(const OutputLock&) = delete;
    OutputLock& operator=(const OutputLock&) = delete;

    /// Local: whether the lock file's folder holds nothing else.
    bool stands_alone() const;

  private:
    OutputLock(const std::filesystem::path& output, std::filesystem::path lock_file);
    void release() noexcept;

    std::filesystem::path path_;
    std::vector<std::filesystem::path> made_;  ///< folders, the outermost first
    Descriptor descriptor_;
};

}  // namespace bv
