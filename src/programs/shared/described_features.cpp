#include "programs/shared/described_features.hpp"

#include "core/error.hpp"

namespace bv {

nlohmann::ordered_json describe_features(const std::filesystem::path& path, const std::string& fingerprint,
                                         const FeatureSettings& settings) {
    return {{"path", path.string()},
            {"fingerprint", fingerprint},
            {"settings",
             {{"vocabulary", settings.vocabulary},
              {"tokenizer", settings.tokenizer},
              {"lower_case", settings.lower_case},
              {"max_tokens", settings.max_tokens},
              {"max_question_tokens", settings.max_question_tokens},
              {"stride", settings.stride},
              {"stride_means", to_string(settings.stride_means)},
              {"label_rule", to_string(settings.label_rule)}}}};
}

void require_same_settings(const nlohmann::ordered_json& found, const std::string& found_in,
                           const nlohmann::ordered_json& wanted, const std::string& wanted_in) {
    for (const auto& [name, value] : wanted.items()) {
        const auto own =
            found.is_object() ? found.value(name, nlohmann::ordered_json()) : nlohmann::ordered_json();
        if (own != value) {
            fail("{} have {} {}, {} have {}; features that are scored together need the same settings",
                 found_in, name, own.dump(), wanted_in, value.dump());
        }
    }
}

}  // namespace bv
