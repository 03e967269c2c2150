#include "programs/shared/described_features.hpp"

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

}  // namespace bv
