#include "io/json_lines.hpp"

#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "io/files.hpp"

namespace bv {

MetricsFile::MetricsFile(std::filesystem::path path, std::string_view beginning) : path_(std::move(path)) {
    if (beginning.empty()) {
        std::error_code created;
        if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), created);
        stream_.open(path_, std::ios::trunc);
    } else {  // written as a new file and renamed: a crash must not lose the lines
        write_file(path_, beginning);
        stream_.open(path_, std::ios::app);
    }
    if (!stream_) fail("cannot write {}: {}", path_.string(), std::strerror(errno));
}

void MetricsFile::append(const nlohmann::json& line) {
    errno = 0;
    stream_ << line.dump() << std::endl;
    if (!stream_) fail("cannot write {}: {}", path_.string(), std::strerror(errno));
}

}  // namespace bv
