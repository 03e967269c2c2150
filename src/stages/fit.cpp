#include "stages/fit.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/files.hpp"

namespace bv {

void require_fit(const Features& features, const std::filesystem::path& features_path,
                 const std::filesystem::path& folder, const BertConfig& config) {
    const std::string vocabulary = fingerprint(read_file(folder / "vocab.txt"));
    if (features.settings.vocabulary != vocabulary) {
        fail("{} was made with another vocabulary ({}) than {} has ({}); prepare features with --model {}",
             features_path.string(), features.settings.vocabulary, (folder / "vocab.txt").string(),
             vocabulary, folder.string());
    }
    const auto largest = std::max_element(features.ids.begin(), features.ids.end());
    if (largest != features.ids.end() && *largest >= config.vocabulary) {
        fail("{} holds token id {}, the word embedding of {} has {} rows", features_path.string(), *largest,
             folder.string(), config.vocabulary);
    }
    std::int64_t longest = 0;
    for (std::int64_t f = 0; f < features.count(); ++f) longest = std::max(longest, features.tokens_of(f));
    if (longest > config.positions) {
        fail("{} holds a sequence of {} tokens, {} takes at most {}; prepare features with --max-tokens {}",
             features_path.string(), longest, folder.string(), config.positions, config.positions);
    }
}

}  // namespace bv
