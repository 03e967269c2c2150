#pragma once

#include <filesystem>

namespace bv {

/// The file that ends the training of a head, in the head's folder: it holds the scores, or kDiverged.
inline constexpr const char* kHeadMetrics = "metrics.json";
inline constexpr const char* kDiverged = "diverged";

/// Local: whether the training of the head in `folder` has ended because its loss was NaN or infinite. Throws
/// Error, which names the file, if it cannot be read.
bool has_diverged(const std::filesystem::path& folder);

}  // namespace bv
