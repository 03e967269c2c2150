#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/task.hpp"
#include "squad/features/features.hpp"
#include "squad/scoring/scores.hpp"

namespace bv {

/// The name of a file of records, which stands beside metrics.json.
inline constexpr const char* kQuestionRecords = "questions.safetensors";

/// What an evaluation found for each of the Q questions that have features, in the features' order. Every
/// score is arithmetic over these columns.
struct QuestionRecords {
    using Column = std::variant<std::vector<std::uint8_t>, std::vector<std::int32_t>, std::vector<float>>;

    Task task = Task::span;
    std::string features;       ///< fingerprint of the features
    double null_threshold = 0;  ///< span: above it, null odds answer "none"
    std::vector<std::string> ids;
    std::map<std::string, Column> columns;  ///< (Q) each, by name

    std::size_t count() const { return ids.size(); }

    /// Whether the questions have gold answers, and so the records have verdicts.
    bool labelled() const { return columns.contains("answerable"); }

    /// The column `name`. There must be such a column of this type.
    template <class T>
    std::span<const T> column(const std::string& name) const {
        return std::get<std::vector<T>>(columns.at(name));
    }
};

/// The records of a span model. Columns; those with (L) only where the features are labelled:
///   context                int32    index of the question's context in the features
///   answerable (L)         uint8    1 = it has gold answers
///   window                 int32    feature that the best span came from; -1 = run_qa's stand-in
///   begin, end             int32    its characters in the context, end exclusive; -1 where window is -1
///   span_score, none_score float32  start + end logit of the best span, and of "none"
///   null_odds              float32  as in null_odds.json: compare this with thresholds, since
///                                   none_score - span_score is rounded in another place
///   span_probability, none_probability   float32   softmax over the question's candidates
///   exact, f1 (L)          uint8, float32   official verdict on the best span, never on "none". Where
///                          null_odds > threshold, the answer as given is "none", and both are
///                          1 - answerable
///   second_begin, second_end, second_score, second_exact (L), second_f1 (L)   the same of the second-best
///                          span; -1, -1, 0, 0 and 0 where there is none
///   reference_window       int32    feature that the reference rule's answer came from
///   reference_begin, reference_end   int32   its characters; both -1 = "none"; -2 = a token outside the
///                          context
///   reference_reversed     uint8    1 = "none" because the end stands before the start
///   reference_exact, reference_f1, reference_second_exact, reference_second_f1 (L)   uint8 and float32
///   disagreement (L)       uint8    why the scorers disagree: the place of the reason in the metadata's
///                          "disagreements", 0 = they agree (disagreements.hpp)
QuestionRecords records_of(const Features& features, const SpanScores& scores);

/// The records of a classifier: context and answerable (L) as above, and
///   none_probability       float32  P(no answer): the minimum over the windows; above 1/2 means "none"
///   window                 int32    feature with this minimum
///   reference_none         uint8    the reference's rule: any window says "none"
QuestionRecords records_of(const Features& features, const ClassScores& scores);

/// Writes records as a safetensors file, aside and renamed: the columns, and "id", uint8 (Q, W): the ids in
/// UTF-8, padded by zero bytes. Its metadata are "task", "features", "version" (1), for span
/// "null_threshold" and "disagreements", and "data", the fingerprint of the columns: of their fingerprints
/// one after the other, in the order of their names. Throws Error naming the file.
void write_question_records(const std::filesystem::path& path, const QuestionRecords& records);

/// Reads such a file. Throws Error naming it and what is wrong with it.
QuestionRecords read_question_records(const std::filesystem::path& path);

}  // namespace bv
