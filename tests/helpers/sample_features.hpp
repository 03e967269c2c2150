#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// Features of single-letter words, made by hand: a context "a b c ..." has one token a letter, ids 10, 11,
/// ... by the letter. Every window is [CLS] q [SEP] letters [SEP].
class SampleFeatures {
  public:
    /// Adds a question about the context of `letters` words; windows cover context tokens [first, last).
    struct Window {
        std::int64_t first;
        std::int64_t last;
    };
    void add(const std::string& id, int letters, const std::vector<Answer>& answers,
             const std::vector<Window>& windows) {
        std::string context;
        for (int i = 0; i < letters; ++i)
            context += std::string(i == 0 ? "" : " ") + static_cast<char>('a' + i);
        const auto question = static_cast<std::int64_t>(features_.questions.size());
        features_.contexts.push_back(context);
        features_.questions.push_back({id, "q", question, answers, answers.empty()});
        if (features_.starts.empty()) features_.starts.push_back(0);
        for (std::size_t w = 0; w < windows.size(); ++w) {
            token(1, 0, kNoOffset);
            token(2, 0, kNoOffset);
            token(3, 0, kNoOffset);
            for (std::int64_t t = windows[w].first; t < windows[w].last; ++t) {
                token(10 + static_cast<std::int32_t>(t), 1, static_cast<std::int32_t>(2 * t));
            }
            token(3, 1, kNoOffset);
            features_.starts.push_back(static_cast<std::int64_t>(features_.ids.size()));
            features_.start_label.push_back(0);
            features_.end_label.push_back(0);
            features_.question_of.push_back(question);
            features_.window.push_back(static_cast<std::int32_t>(w));
            features_.context_token.push_back(static_cast<std::int32_t>(windows[w].first));
        }
    }

    Features& features() { return features_; }

    /// Zero logits for all tokens.
    SpanLogits logits() const {
        const std::vector<float> zeros(features_.ids.size(), 0.0F);
        return {"", zeros, zeros};
    }

    /// Place among all tokens of context token `t` (counted in the whole context) of a window.
    std::size_t place(std::size_t feature, std::int64_t t) const {
        return static_cast<std::size_t>(features_.starts[feature] + 3 + t - features_.context_token[feature]);
    }
    std::size_t cls(std::size_t feature) const { return static_cast<std::size_t>(features_.starts[feature]); }

  private:
    void token(std::int32_t id, std::uint8_t segment, std::int32_t offset) {
        const std::int32_t end = offset == kNoOffset ? kNoOffset : offset + 1;
        features_.ids.push_back(id);
        features_.segments.push_back(segment);
        features_.char_begin.push_back(offset);
        features_.char_end.push_back(end);
        features_.byte_begin.push_back(offset);
        features_.byte_end.push_back(end);
        features_.max_context.push_back(offset == kNoOffset ? 0 : 1);
    }

    Features features_;
};

}  // namespace bv
