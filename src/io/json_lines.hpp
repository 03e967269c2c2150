#pragma once

#include <filesystem>
#include <fstream>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// A file of JSON lines, one object a line, flushed line by line so that it can be followed while it grows.
class MetricsFile {
  public:
    /// Starts the file anew, with the lines `beginning` of an earlier run that goes on. Creates missing
    /// parent folders. Throws Error naming the path.
    explicit MetricsFile(std::filesystem::path path, std::string_view beginning = "");

    /// Appends one line. Throws Error naming the path (a full disk, say).
    void append(const nlohmann::json& line);

  private:
    std::filesystem::path path_;
    std::ofstream stream_;
};

}  // namespace bv
