#include "programs/shared/head_folder.hpp"

#include "io/json.hpp"
#include "io/paths.hpp"

namespace bv {

bool has_diverged(const std::filesystem::path& folder) {
    const std::filesystem::path metrics = folder / kHeadMetrics;
    return is_there(metrics) && read_json(metrics).contains(kDiverged);
}

}  // namespace bv
