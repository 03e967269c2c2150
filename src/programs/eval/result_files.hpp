#pragma once

#include <filesystem>
#include <vector>

namespace bv {

/// Local: removes the results of an earlier evaluation from the folder `output`, so that none of them stays
/// beside new scores. metrics.json, which stands for whole results, is removed first. Files that `inputs`
/// name stay. Throws Error, which names the file, if one cannot be removed.
void remove_results(const std::filesystem::path& output, const std::vector<std::filesystem::path>& inputs);

}  // namespace bv
