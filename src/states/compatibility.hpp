#pragma once

#include <filesystem>

#include "bert/config.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Throws Error, which names both paths, unless the features of file `features_path` fit the model in
/// `folder`: they must be made with the same tokenizer, and no sequence may have more tokens than the model
/// has positions.
void require_fit(const Features& features, const std::filesystem::path& features_path,
                 const std::filesystem::path& folder, const BertConfig& config);

/// The part of this that is about the tokens and not about the tokenizer: throws Error unless the model has
/// an embedding for every token and position.
void require_embeddings(const Features& features, const std::filesystem::path& features_path,
                        const std::filesystem::path& folder, const BertConfig& config);

}  // namespace bv
