#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/words.hpp"
#include "squad/features/windows.hpp"

namespace bv {

/// A gold answer: its text and the place of its first character in the context, in characters (code points).
struct Answer {
    std::string text;
    std::int64_t start = 0;
};

/// A question. A question without answers is unanswerable, or unlabelled if its file has no answers at all.
struct Question {
    std::string id;
    std::string text;
    std::int64_t context = 0;  ///< index into Features::contexts
    std::vector<Answer> answers;
    bool impossible = false;
};

/// How the tokens of an answer are found (labels.hpp).
enum class LabelRule {
    legacy,   ///< as transformers' squad_convert_examples_to_features: by whitespace words, then by the
              ///< answer's own tokens
    offsets,  ///< as today's run_qa: by the tokens' offsets
};

template <>
struct Words<LabelRule> {
    static constexpr std::string_view kKind = "label rule";
    static constexpr std::array<std::string_view, 2> kWords{"legacy", "offsets"};
};

/// How features were made. Two features files fit together when these settings are equal.
struct FeatureSettings {
    std::string vocabulary;  ///< fingerprint of the vocabulary (Tokenizer::vocabulary)
    std::string tokenizer;   ///< fingerprint of all that decides how a text is cut
    bool lower_case = true;
    std::int64_t max_tokens = 386;
    std::int64_t max_question_tokens = 64;
    std::int64_t stride = 128;
    StrideMeans stride_means = StrideMeans::step;
    LabelRule label_rule = LabelRule::legacy;

    bool operator==(const FeatureSettings&) const = default;
};

/// The offset of every position that is not a token of the context.
inline constexpr std::int32_t kNoOffset = -1;
/// Label of a feature whose question has no labels at all (a test set).
inline constexpr std::int32_t kUnlabelled = -1;

/// Features (windows of a question and part of its context) as packed columns. F features, N tokens in all:
/// the tokens of feature f are [starts[f], starts[f + 1]) of every (N) column: [CLS] question [SEP] context
/// [SEP].
struct Features {
    FeatureSettings settings;
    bool labelled = true;

    std::vector<std::int64_t> starts;    ///< (F + 1)
    std::vector<std::int32_t> ids;       ///< (N) vocabulary ids
    std::vector<std::uint8_t> segments;  ///< (N) 0 question, 1 context
    std::vector<std::int32_t>
        char_begin;  ///< (N) offsets in the context in characters, end exclusive; they are
    std::vector<std::int32_t> char_end;     ///<     kNoOffset outside the context
    std::vector<std::int32_t> byte_begin;   ///< (N) the same in UTF-8 bytes
    std::vector<std::int32_t> byte_end;     ///<
    std::vector<std::uint8_t> max_context;  ///< (N) 1 if no other window gives the token more context
    std::vector<std::int32_t>
        start_label;  ///< (F) token of the answer's start within the feature; 0 (CLS) = no answer
    std::vector<std::int32_t> end_label;  ///< (F) token of the answer's end, inclusive
    std::vector<std::int64_t>
        question_of;                   ///< (F) index into questions; windows of a question are neighbours
    std::vector<std::int32_t> window;  ///< (F) number of the window within its question
    std::vector<std::int32_t> context_token;  ///< (F) first token of the window, counted in the whole context

    std::vector<std::string> contexts;  ///< each once, UTF-8
    std::vector<Question> questions;

    std::int64_t count() const { return static_cast<std::int64_t>(question_of.size()); }
    std::int64_t tokens() const { return starts.empty() ? 0 : starts.back(); }
    std::int64_t tokens_of(std::int64_t feature) const {
        return starts[static_cast<std::size_t>(feature) + 1] - starts[static_cast<std::size_t>(feature)];
    }
    /// (F) The number of tokens of each feature.
    std::vector<std::int64_t> token_counts() const;

    /// Classification label of a feature: 1 = no answer in it.
    bool no_answer(std::int64_t feature) const { return start_label[static_cast<std::size_t>(feature)] == 0; }

    /// The fingerprint of settings, tokens, labels, contexts and questions. Equal features have equal
    /// fingerprints on every machine.
    std::string fingerprint() const;
};

}  // namespace bv
