#pragma once

#include <filesystem>

namespace bv {

/// The right to write a store: STORE.lock beside it, locked by the kernel (flock) and holding host, pid and
/// job for people. The kernel frees it however the process ends, so a dead writer's file blocks nobody.
class StoreLock {
  public:
    /// Local: takes the lock. Throws Error naming the holder when another process has it.
    explicit StoreLock(const std::filesystem::path& store);

    /// Removes the file and frees the lock.
    ~StoreLock();
    StoreLock(const StoreLock&) = delete;
    StoreLock& operator=(const StoreLock&) = delete;

  private:
    std::filesystem::path path_;
    int descriptor_ = -1;
};

}  // namespace bv
