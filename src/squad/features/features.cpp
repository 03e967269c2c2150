#include "squad/features/features.hpp"

#include <type_traits>

#include "io/files.hpp"

namespace bv {
namespace {

/// Turns features into bytes. The bytes include lengths, so that different features never have the same
/// bytes.
class Layout {
  public:
    void add(std::int64_t number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof number); }
    void add(const std::string& text) {
        add(static_cast<std::int64_t>(text.size()));
        bytes_ += text;
    }
    template <class T>
    void add(const std::vector<T>& values) {
        static_assert(std::is_arithmetic_v<T>);
        add(static_cast<std::int64_t>(values.size()));
        bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    }
    /// Replaces the bytes so far by their hash, to save memory.
    void fold() { bytes_ = bv::fingerprint(bytes_); }
    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

}  // namespace

std::vector<std::int64_t> Features::token_counts() const {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(count()));
    for (std::size_t f = 0; f < counts.size(); ++f) counts[f] = starts[f + 1] - starts[f];
    return counts;
}

std::string Features::fingerprint() const {
    Layout layout;
    layout.add(settings.vocabulary);
    layout.add(settings.tokenizer);
    layout.add(std::int64_t{settings.lower_case});
    layout.add(settings.max_tokens);
    layout.add(settings.max_question_tokens);
    layout.add(settings.stride);
    layout.add(to_string(settings.stride_means));
    layout.add(to_string(settings.label_rule));
    layout.add(std::int64_t{labelled});
    const auto add_column = [&](const auto& column) {
        layout.add(column);
        layout.fold();
    };
    add_column(starts);
    add_column(ids);
    add_column(segments);
    add_column(char_begin);
    add_column(char_end);
    add_column(byte_begin);
    add_column(byte_end);
    add_column(max_context);
    add_column(start_label);
    add_column(end_label);
    add_column(question_of);
    add_column(window);
    add_column(context_token);
    for (const std::string& context : contexts) layout.add(context);
    layout.fold();
    for (const Question& question : questions) {
        layout.add(question.id);
        layout.add(question.text);
        layout.add(question.context);
        layout.add(std::int64_t{question.impossible});
        layout.add(static_cast<std::int64_t>(question.answers.size()));
        for (const Answer& answer : question.answers) {
            layout.add(answer.text);
            layout.add(answer.start);
        }
    }
    return bv::fingerprint(layout.bytes());
}

}  // namespace bv
