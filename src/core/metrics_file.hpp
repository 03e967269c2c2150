#pragma once

#include <filesystem>
#include <fstream>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// A file of JSON lines, one object a line, flushed line by line so that it can be followed while it grows.
class MetricsFile {
  public:
    /// Starts the file anew. Creates missing parent folders. Throws Error naming the path.
    explicit MetricsFile(std::filesystem::path path);

    /// Appends one line. Throws Error naming the path (a full disk, say).
    void append(const nlohmann::json& line);

  private:
    std::filesystem::path path_;
    std::ofstream stream_;
};

}  // namespace bv
