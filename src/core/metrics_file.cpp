#include "core/metrics_file.hpp"

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"

namespace bv {

MetricsFile::MetricsFile(std::filesystem::path path, std::string_view beginning) : path_(std::move(path)) {
    write_file(path_, beginning);
    stream_.open(path_, std::ios::app);
    if (!stream_) fail("cannot write {}", path_.string());
}

void MetricsFile::append(const nlohmann::json& line) {
    stream_ << line.dump() << std::endl;
    if (!stream_) fail("cannot write {}", path_.string());
}

}  // namespace bv
