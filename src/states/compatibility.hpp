#pragma once

#include <filesystem>

#include "bert/config.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Throws Error, naming both, unless the features of file `features_path` can be fed to the model in
/// `folder`: made with the same tokenizer (features files of older programs record the vocabulary alone), and
/// no sequence longer than the model's positions.
void require_fit(const Features& features, const std::filesystem::path& features_path,
                 const std::filesystem::path& folder, const BertConfig& config);

}  // namespace bv
