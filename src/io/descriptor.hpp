#pragma once

#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

namespace bv {

/// Owns the descriptor of an open file. Programs that this process starts do not inherit it.
class Descriptor {
  public:
    /// Owns no file; ok() is false.
    Descriptor() = default;

    /// Opens `path` with the flags and mode of open(2). If it cannot be opened, ok() is false and errno says
    /// why.
    Descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0644)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }

    int get() const { return fd_; }
    bool ok() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

}  // namespace bv
