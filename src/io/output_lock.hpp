#pragma once

#include <filesystem>
#include <vector>

#include "io/descriptor.hpp"

namespace bv {

/// The right to write a file or a folder. It is a lock file that the kernel locks (flock). The file holds
/// host, pid and job of the writer, for messages. The kernel frees the lock whenever the process ends, so the
/// file of a dead writer blocks nobody. If a file system has no locks, a warning is logged instead.
class OutputLock {
  public:
    /// Local: locks FILE.lock, beside the file. Throws Error, which names the other process, if another
    /// process holds the lock.
    static OutputLock of_file(const std::filesystem::path& file);

    /// Local: the lock file of `file`. If `file` is a symbolic link, it is that of the file to which the link
    /// leads, so that every name of a file has the same lock.
    static std::filesystem::path beside(const std::filesystem::path& file);

    /// Local: locks FOLDER/.lock. The file lies inside the folder, so that every name of the folder leads to
    /// the same file. Makes the folder if it does not exist. Throws Error as above.
    static OutputLock of_folder(const std::filesystem::path& folder);

    /// Removes the lock file, frees the lock, and removes the folders that were made for it and are empty.
    ~OutputLock();
    OutputLock(OutputLock&& other) noexcept;
    OutputLock& operator=(OutputLock&&) = delete;
    OutputLock(const OutputLock&) = delete;
    OutputLock& operator=(const OutputLock&) = delete;

    /// Local: whether the folder of the lock file holds nothing else. Throws Error, which names the folder,
    /// if it cannot be read.
    bool stands_alone() const;

  private:
    OutputLock(const std::filesystem::path& output, std::filesystem::path lock_file);
    void release() noexcept;

    std::filesystem::path path_;
    std::vector<std::filesystem::path> made_;  ///< the folders made for the lock file, the outermost first
    Descriptor descriptor_;
};

}  // namespace bv
