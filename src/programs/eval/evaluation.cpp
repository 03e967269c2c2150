#include "programs/eval/evaluation.hpp"

#include "io/files.hpp"

namespace bv {

nlohmann::ordered_json source_of(const std::filesystem::path& file) {
    return source_of(file, fingerprint(read_file(file)));
}

nlohmann::ordered_json source_of(const std::filesystem::path& path, const std::string& fingerprint) {
    return {{"path", path.string()}, {"fingerprint", fingerprint}};
}

}  // namespace bv
