#include "states/compatibility.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "squad/text/tokenizer.hpp"

namespace bv {
namespace {

void require_tokenizer(const FeatureSettings& settings, const std::filesystem::path& features_path,
                       const std::filesystem::path& folder) {
    const Tokenizer tokenizer(folder);
    if (settings.tokenizer == tokenizer.fingerprint()) return;
    if (settings.vocabulary != tokenizer.vocabulary()) {
        fail(
            "{} was made with vocabulary {}, but {} has vocabulary {}; prepare the features again with "
            "--model {}",
            features_path.string(), settings.vocabulary, tokenizer.source().string(), tokenizer.vocabulary(),
            folder.string());
    }
    if (settings.lower_case != tokenizer.basic().lower_case) {
        fail(
            "{} was made {} lower-casing, but the tokenizer of {} works {} it; prepare the features again "
            "with --model {}",
            features_path.string(), settings.lower_case ? "with" : "without", folder.string(),
            settings.lower_case ? "without" : "with", folder.string());
    }
    fail(
        "{} was made with other added tokens or tokenizer settings ({}) than {} has ({}); prepare the "
        "features again with --model {}",
        features_path.string(), settings.tokenizer, folder.string(), tokenizer.fingerprint(),
        folder.string());
}

}  // namespace

void require_fit(const Features& features, const std::filesystem::path& features_path,
                 const std::filesystem::path& folder, const BertConfig& config) {
    require_tokenizer(features.settings, features_path, folder);
    require_embeddings(features, features_path, folder, config);
}

void require_embeddings(const Features& features, const std::filesystem::path& features_path,
                        const std::filesystem::path& folder, const BertConfig& config) {
    const auto largest = std::max_element(features.ids.begin(), features.ids.end());
    if (largest != features.ids.end() && *largest >= config.vocabulary) {
        fail("{} holds token id {}, but the word embedding of {} has {} rows", features_path.string(),
             *largest, folder.string(), config.vocabulary);
    }
    std::int64_t longest = 0;
    for (std::int64_t f = 0; f < features.count(); ++f) longest = std::max(longest, features.tokens_of(f));
    if (longest > config.positions) {
        fail(
            "{} holds a sequence of {} tokens, but {} takes at most {}; prepare the features again with "
            "--max-tokens {}",
            features_path.string(), longest, folder.string(), config.positions, config.positions);
    }
}

}  // namespace bv
