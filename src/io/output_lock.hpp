#pragma once

#include <filesystem>
#include <vector>

#include "io/descriptor.hpp"

namespace bv {

/// The right to write a file or a folder: a lock file, locked by the kernel (flock) and holding host, pid and
/// job for people. The kernel frees it however the process ends, so a dead writer's file blocks nobody. Where
/// a file system has no locks, a warning takes their place.
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

    /// Local: whether nothing else stands in the lock file's folder.
    bool stands_alone() const;

  private:
    OutputLock(const std::filesystem::path& output, std::filesystem::path lock_file);
    void release() noexcept;

    std::filesystem::path path_;
    std::vector<std::filesystem::path> made_;  ///< folders, the outermost first
    Descriptor descriptor_;
};

}  // namespace bv
