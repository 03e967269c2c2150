#include "core/metrics_file.hpp"

#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace bv {

MetricsFile::MetricsFile(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code created;
    if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), created);
    stream_.open(path_, std::ios::trunc);
    if (!stream_) fail("cannot write {}", path_.string());
}

void MetricsFile::append(const nlohmann::json& line) {
    stream_ << line.dump() << std::endl;
    if (!stream_) fail("cannot write {}", path_.string());
}

}  // namespace bv
