#include "squad/features/feature_builder.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "squad/features/labels.hpp"
#include "squad/features/windows.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

constexpr std::int64_t kSpecialTokens = 3;  // [CLS] question [SEP] context [SEP]

struct ContextTokens : TokenizedContext {
    std::vector<std::int32_t> bytes;  ///< byte offset of each character
};

/// A question with its tokens and windows, before its features are filled.
struct PlannedQuestion {
    std::vector<std::int32_t> ids;
    std::vector<Window> windows;
    std::optional<TokenSpan> span;
    bool skipped = false;

    std::int64_t context_begin() const { return static_cast<std::int64_t>(ids.size()) + 2; }
    std::int64_t tokens_of(const Window& window) const { return context_begin() + window.size + 1; }
};

class Builder {
  public:
    Builder(const Dataset& dataset, const Tokenizer& tokenizer, FeatureSettings settings, Unfound unfound,
            int threads)
        : dataset_(dataset), tokenizer_(tokenizer), unfound_(unfound), threads_(threads) {
        settings.vocabulary = tokenizer.vocabulary();
        settings.tokenizer = tokenizer.fingerprint();
        settings.lower_case = tokenizer.basic().lower_case;
        features_.settings = std::move(settings);
        features_.labelled = dataset.labelled;
    }

    Features build(Progress& progress) {
        tokenize_contexts();
        std::vector<PlannedQuestion> planned(dataset_.questions.size());
        std::mutex guard;
        parallel_for(static_cast<std::int64_t>(planned.size()), threads_, [&](std::int64_t q) {
            planned[static_cast<std::size_t>(q)] = plan(dataset_.questions[static_cast<std::size_t>(q)]);
            const std::scoped_lock lock(guard);
            progress.advance(1);
        });
        lay_out(planned);
        return std::move(features_);
    }

  private:
    void tokenize_contexts() {
        contexts_.resize(dataset_.contexts.size());
        parallel_for(static_cast<std::int64_t>(contexts_.size()), threads_, [&](std::int64_t c) {
            ContextTokens& context = contexts_[static_cast<std::size_t>(c)];
            context.characters = characters_of(dataset_.contexts[static_cast<std::size_t>(c)]);
            context.bytes = byte_offsets(context.characters);
            context.tokens = tokenizer_.tokenize(context.characters);
        });
    }

    PlannedQuestion plan(const Question& question) const {
        const FeatureSettings& settings = features_.settings;
        const ContextTokens& context = contexts_[static_cast<std::size_t>(question.context)];
        PlannedQuestion planned;
        for (const Token& token : tokenizer_.tokenize(characters_of(question.text)))
            planned.ids.push_back(token.id);
        const auto most = static_cast<std::size_t>(settings.max_question_tokens);
        if (planned.ids.size() > most) planned.ids.resize(most);
        if (!question.answers.empty()) {
            const bool legacy = settings.label_rule == LabelRule::legacy;
            if (legacy) planned.span = legacy_span(context, question.answers.front(), tokenizer_);
            planned.skipped = legacy && !planned.span && unfound_ == Unfound::skip;
            if (!planned.span) planned.span = offsets_span(context, question.answers.front());
        }
        const std::int64_t capacity =
            settings.max_tokens - kSpecialTokens - static_cast<std::int64_t>(planned.ids.size());
        planned.windows = windows_over(static_cast<std::int64_t>(context.tokens.size()), capacity,
                                       settings.stride, settings.stride_means);
        return planned;
    }

    void lay_out(const std::vector<PlannedQuestion>& planned) {
        features_.contexts = dataset_.contexts;
        features_.starts = {0};
        std::vector<std::int64_t> first_feature(planned.size());
        for (std::size_t q = 0; q < planned.size(); ++q) {
            first_feature[q] = features_.count();
            if (planned[q].skipped) continue;
            for (const Window& window : planned[q].windows) {
                features_.starts.push_back(features_.starts.back() + planned[q].tokens_of(window));
                features_.question_of.push_back(static_cast<std::int64_t>(features_.questions.size()));
            }
            features_.questions.push_back(dataset_.questions[q]);
        }
        resize_columns();
        parallel_for(static_cast<std::int64_t>(planned.size()), threads_, [&](std::int64_t number) {
            const auto q = static_cast<std::size_t>(number);
            if (!planned[q].skipped)
                fill(planned[q], dataset_.questions[q], static_cast<std::size_t>(first_feature[q]));
        });
    }

    void resize_columns() {
        const auto tokens = static_cast<std::size_t>(features_.tokens());
        const auto count = static_cast<std::size_t>(features_.count());
        features_.ids.resize(tokens);
        features_.segments.resize(tokens);
        for (auto* offsets :
             {&features_.char_begin, &features_.char_end, &features_.byte_begin, &features_.byte_end}) {
            offsets->resize(tokens, kNoOffset);
        }
        features_.max_context.resize(tokens);
        for (auto* column :
             {&features_.start_label, &features_.end_label, &features_.window, &features_.context_token}) {
            column->resize(count);
        }
    }

    /// Fills the features of one question. No other thread writes to them.
    void fill(const PlannedQuestion& planned, const Question& question, std::size_t first_feature) {
        const ContextTokens& context = contexts_[static_cast<std::size_t>(question.context)];
        for (std::size_t w = 0; w < planned.windows.size(); ++w) {
            const Window& window = planned.windows[w];
            const std::size_t feature = first_feature + w;
            const auto begin = static_cast<std::size_t>(features_.starts[feature]);
            const auto end = static_cast<std::size_t>(features_.starts[feature + 1]);
            const std::size_t context_begin = begin + static_cast<std::size_t>(planned.context_begin());
            features_.ids[begin] = tokenizer_.cls();
            std::copy(planned.ids.begin(), planned.ids.end(),
                      features_.ids.begin() + static_cast<std::ptrdiff_t>(begin) + 1);
            features_.ids[context_begin - 1] = tokenizer_.sep();
            const std::vector<std::uint8_t> flags = max_context_flags(planned.windows, w);
            for (std::size_t i = 0; i < flags.size(); ++i) {
                const Token& token = context.tokens[static_cast<std::size_t>(window.first) + i];
                const std::size_t place = context_begin + i;
                features_.ids[place] = token.id;
                features_.char_begin[place] = token.begin;
                features_.char_end[place] = token.end;
                features_.byte_begin[place] = context.bytes[static_cast<std::size_t>(token.begin)];
                features_.byte_end[place] = context.bytes[static_cast<std::size_t>(token.end)];
                features_.max_context[place] = flags[i];
            }
            features_.ids[end - 1] = tokenizer_.sep();
            std::fill(features_.segments.begin() + static_cast<std::ptrdiff_t>(context_begin),
                      features_.segments.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{1});
            const TokenSpan label = features_.labelled
                                        ? label_in(window, planned.span, planned.context_begin())
                                        : TokenSpan{kUnlabelled, kUnlabelled};
            features_.start_label[feature] = static_cast<std::int32_t>(label.first);
            features_.end_label[feature] = static_cast<std::int32_t>(label.last);
            features_.window[feature] = static_cast<std::int32_t>(w);
            features_.context_token[feature] = static_cast<std::int32_t>(window.first);
        }
    }

    const Dataset& dataset_;
    const Tokenizer& tokenizer_;
    Unfound unfound_;
    int threads_;
    std::vector<ContextTokens> contexts_;
    Features features_;
};

}  // namespace

void check_settings(const FeatureSettings& settings) {
    const bool steps = settings.stride_means == StrideMeans::step;
    if (settings.max_question_tokens < 1) {
        fail("max question tokens is {}; expected at least 1", settings.max_question_tokens);
    }
    const std::int64_t room = settings.max_tokens - kSpecialTokens - settings.max_question_tokens;
    if (room < 1) {
        fail("max tokens {} leaves no room for a context beside {} question tokens and {} special ones",
             settings.max_tokens, settings.max_question_tokens, kSpecialTokens);
    }
    if (steps && (settings.stride < 1 || settings.stride > room)) {
        fail(
            "stride {} as a step; expected 1 to {}, so that even with the longest question windows leave no "
            "gap",
            settings.stride, room);
    }
    if (!steps && (settings.stride < 0 || settings.stride >= room)) {
        fail(
            "stride {} as an overlap; expected 0 to {}, so that even with the longest question windows "
            "advance",
            settings.stride, room - 1);
    }
}

Features make_features(const Dataset& dataset, const Tokenizer& tokenizer, const FeatureSettings& settings,
                       Unfound unfound, int threads, Progress& progress) {
    check_settings(settings);
    return Builder(dataset, tokenizer, settings, unfound, threads).build(progress);
}

}  // namespace bv
