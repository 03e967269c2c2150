#pragma once

#include <filesystem>
#include <fstream>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// A file of JSON lines, one object on each line. Each line is flushed, so that others can follow the file
/// while it grows.
class MetricsFile {
  public:
    /// Starts the file again. `beginning` holds the lines of an earlier run that goes on. Creates missing
    /// parent folders. Throws Error, which names the path.
    explicit MetricsFile(std::filesystem::path path, std::string_view beginning = "");

    /// Appends one line. Throws Error, which names the path, for example if the disk is full.
    void append(const nlohmann::json& line);

  private:
    std::filesystem::path path_;
    std::ofstream stream_;
};

}  // namespace bv
