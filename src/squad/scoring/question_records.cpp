#include "squad/scoring/question_records.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "squad/scoring/disagreements.hpp"

namespace bv {
namespace {

constexpr const char* kId = "id";
constexpr const char* kVersion = "1";

/// Adds columns to records, one value a question.
class Columns {
  public:
    explicit Columns(QuestionRecords& records) : records_(records) {}

    /// `value(q)` gives the value of question q.
    template <class T, class Value>
    void add(const std::string& name, Value value) {
        std::vector<T> column(records_.count());
        for (std::size_t q = 0; q < column.size(); ++q) column[q] = static_cast<T>(value(q));
        records_.columns.emplace(name, std::move(column));
    }

    /// Columns NAMEexact and NAMEf1 of verdicts.
    template <class Verdict>
    void add_verdicts(const std::string& name, Verdict verdict) {
        add<std::uint8_t>(name + "exact", [&](std::size_t q) { return verdict(q).exact; });
        add<float>(name + "f1", [&](std::size_t q) { return verdict(q).f1; });
    }

  private:
    QuestionRecords& records_;
};

/// Records with ids, contexts and, where the features are labelled, whether there is an answer.
/// `answers` are anything with a `question`.
template <class Answers>
QuestionRecords begin_records(const Features& features, Task task, const std::string& fingerprint,
                              const Answers& answers) {
    QuestionRecords records;
    records.task = task;
    records.features = fingerprint;
    const auto question = [&](std::size_t q) -> const Question& {
        return features.questions[static_cast<std::size_t>(answers[q].question)];
    };
    for (std::size_t q = 0; q < answers.size(); ++q) records.ids.push_back(question(q).id);
    Columns columns(records);
    columns.add<std::int32_t>("context", [&](std::size_t q) { return question(q).context; });
    if (features.labelled)
        columns.add<std::uint8_t>("answerable", [&](std::size_t q) { return !question(q).answers.empty(); });
    return records;
}

void add_answers(Columns& columns, const std::vector<QuestionAnswers>& answers) {
    const auto add_span = [&](const std::string& prefix, auto span) {
        columns.add<std::int32_t>(prefix + "begin",
                                  [&](std::size_t q) { return span(q) ? span(q)->begin : kNoOffset; });
        columns.add<std::int32_t>(prefix + "end",
                                  [&](std::size_t q) { return span(q) ? span(q)->end : kNoOffset; });
    };
    add_span("", [&](std::size_t q) { return &answers[q].span(); });
    add_span("second_", [&](std::size_t q) { return answers[q].second_span(); });
    columns.add<std::int32_t>("window", [&](std::size_t q) { return answers[q].span().window; });
    columns.add<float>("span_score", [&](std::size_t q) { return answers[q].span().score(); });
    columns.add<float>("none_score", [&](std::size_t q) { return answers[q].none().score(); });
    columns.add<float>("null_odds", [&](std::size_t q) { return answers[q].null_odds; });
    columns.add<float>("span_probability", [&](std::size_t q) { return answers[q].span().probability; });
    columns.add<float>("none_probability", [&](std::size_t q) { return answers[q].none().probability; });
    columns.add<float>("second_score", [&](std::size_t q) {
        const Candidate* second = answers[q].second_span();
        return second == nullptr ? 0.0F : second->score();
    });
}

std::string_view bytes_of(const QuestionRecords::Column& column) {
    return std::visit(
        [](const auto& values) {
            return std::string_view(reinterpret_cast<const char*>(values.data()),
                                    values.size() * sizeof(values[0]));
        },
        column);
}

constexpr DType kTypes[] = {DType::u8, DType::i32, DType::f32};  // of Column's alternatives

std::string data_fingerprint(const std::map<std::string, TensorView>& tensors) {
    std::string all;
    for (const auto& [name, tensor] : tensors) all += fingerprint(tensor.bytes);
    return fingerprint(all);
}

/// A file's columns need not be aligned.
template <class T>
QuestionRecords::Column copy_of(const TensorView& tensor) {
    std::vector<T> values(tensor.bytes.size() / sizeof(T));
    std::copy_n(tensor.bytes.data(), tensor.bytes.size(), reinterpret_cast<char*>(values.data()));
    return values;
}

/// A file of records that is being read.
class Reader {
  public:
    explicit Reader(const std::filesystem::path& path) : file_(path), name_(path.string()) {}

    QuestionRecords read() const {
        QuestionRecords records;
        if (metadata("version") != kVersion)
            fail("{}: records of version {}; expected {}", name_, metadata("version"), kVersion);
        const auto task = find_word<Task>(metadata("task"));
        if (!task) fail("{}: records of task '{}'; known: {}", name_, metadata("task"), choices<Task>());
        records.task = *task;
        records.features = metadata("features");
        if (*task == Task::span) records.null_threshold = number("null_threshold");
        if (const std::string found = data_fingerprint(file_.tensors()); found != metadata("data")) {
            fail(
                "{}: it is damaged or was changed: the fingerprint of its columns is {}, its metadata say {}",
                name_, found, metadata("data"));
        }
        records.ids = ids();
        for (const auto& [name, tensor] : file_.tensors()) {
            if (name != kId) records.columns.emplace(name, column(name, tensor, records.count()));
        }
        require_columns(records);
        return records;
    }

  private:
    /// Throws Error unless the records have the columns by which they are compared (paired_bootstrap.hpp).
    void require_columns(const QuestionRecords& records) const {
        const auto require = [&](const char* name, DType type) {
            const auto found = file_.tensors().find(name);
            if (found == file_.tensors().end() || found->second.dtype != type)
                fail("{}: it should have a column '{}' of {}", name_, name, name_of(type));
        };
        require("context", DType::i32);
        if (records.labelled()) require("answerable", DType::u8);
        if (records.task == Task::classification) return require("none_probability", DType::f32);
        require("null_odds", DType::f32);
        if (!records.labelled()) return;
        require("exact", DType::u8);
        require("f1", DType::f32);
    }

    const std::string& metadata(const std::string& key) const {
        return file_.metadata_at(key, "file of question records");
    }

    double number(const std::string& key) const {
        const std::string& text = metadata(key);
        double value = 0;
        const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (wrong != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
            fail("{}: its metadata's '{}' is '{}', expected a number", name_, key, text);
        return value;
    }

    std::vector<std::string> ids() const {
        const TensorView& tensor = file_.at(kId);
        if (tensor.dtype != DType::u8 || tensor.shape.size() != 2)
            fail("{}: tensor '{}' must be uint8 with two dimensions", name_, kId);
        const auto width = static_cast<std::size_t>(tensor.shape[1]);
        std::vector<std::string> all;
        for (std::int64_t q = 0; q < tensor.shape[0]; ++q) {
            const std::string_view id = tensor.bytes.substr(static_cast<std::size_t>(q) * width, width);
            all.emplace_back(id.substr(0, id.find('\0')));
        }
        return all;
    }

    QuestionRecords::Column column(const std::string& name, const TensorView& tensor,
                                   std::size_t count) const {
        if (tensor.shape != std::vector{static_cast<std::int64_t>(count)}) {
            fail("{}: tensor '{}' has the shape ({}), expected one value for each of {} questions", name_,
                 name, fmt::join(tensor.shape, ", "), count);
        }
        if (tensor.dtype == DType::u8) return copy_of<std::uint8_t>(tensor);
        if (tensor.dtype == DType::i32) return copy_of<std::int32_t>(tensor);
        if (tensor.dtype == DType::f32) return copy_of<float>(tensor);
        fail("{}: tensor '{}' is {}; expected uint8, int32 or float32", name_, name, name_of(tensor.dtype));
    }

    SafetensorsFile file_;
    std::string name_;
};

}  // namespace

QuestionRecords records_of(const Features& features, const SpanScores& scores) {
    QuestionRecords records = begin_records(features, Task::span, scores.features, scores.answers);
    records.null_threshold = scores.options.null_threshold;
    Columns columns(records);
    add_answers(columns, scores.answers);
    const std::vector<ReferenceAnswer>& reference = scores.reference_answers;
    columns.add<std::int32_t>("reference_window", [&](std::size_t q) { return reference[q].window; });
    columns.add<std::int32_t>("reference_begin", [&](std::size_t q) { return reference[q].begin; });
    columns.add<std::int32_t>("reference_end", [&](std::size_t q) { return reference[q].end; });
    columns.add<std::uint8_t>("reference_reversed", [&](std::size_t q) { return reference[q].reversed; });
    if (!features.labelled) return records;
    columns.add_verdicts("", [&](std::size_t q) { return scores.verdicts[q].best; });
    columns.add_verdicts("second_", [&](std::size_t q) { return scores.verdicts[q].second; });
    columns.add_verdicts("reference_", [&](std::size_t q) { return scores.reference_verdicts[q].best; });
    columns.add_verdicts("reference_second_",
                         [&](std::size_t q) { return scores.reference_verdicts[q].second; });
    const std::vector<Disagreement> reasons = disagreements(features, scores);
    columns.add<std::uint8_t>("disagreement", [&](std::size_t q) { return reasons[q]; });
    return records;
}

QuestionRecords records_of(const Features& features, const ClassScores& scores) {
    QuestionRecords records = begin_records(features, Task::classification, scores.features, scores.classes);
    Columns columns(records);
    columns.add<float>("none_probability", [&](std::size_t q) {
        // A probability above 1/2 stays above it in float32.
        const double exact = scores.classes[q].none_probability;
        const auto rounded = static_cast<float>(exact);
        return exact > 0.5 && rounded <= 0.5F ? std::nextafter(0.5F, 1.0F) : rounded;
    });
    columns.add<std::int32_t>("window", [&](std::size_t q) { return scores.classes[q].window; });
    columns.add<std::uint8_t>("reference_none",
                              [&](std::size_t q) { return scores.classes[q].reference_none; });
    return records;
}

void write_question_records(const std::filesystem::path& path, const QuestionRecords& records) {
    std::size_t width = 1;
    for (const std::string& id : records.ids) width = std::max(width, id.size());
    std::string ids(records.count() * width, '\0');
    for (std::size_t q = 0; q < records.count(); ++q) records.ids[q].copy(&ids[q * width], width);
    const auto count = static_cast<std::int64_t>(records.count());
    std::map<std::string, TensorView> tensors;
    tensors[kId] = {DType::u8, {count, static_cast<std::int64_t>(width)}, ids};
    for (const auto& [name, column] : records.columns)
        tensors[name] = {kTypes[column.index()], {count}, bytes_of(column)};
    std::map<std::string, std::string> metadata{{"task", to_string(records.task)},
                                                {"features", records.features},
                                                {"version", kVersion},
                                                {"data", data_fingerprint(tensors)}};
    if (records.task == Task::span) {
        metadata["null_threshold"] = fmt::format("{}", records.null_threshold);
        metadata["disagreements"] = fmt::format("{}", fmt::join(words_of<Disagreement>(), ","));
    }
    write_safetensors(path, tensors, metadata);
}

QuestionRecords read_question_records(const std::filesystem::path& path) {
    return Reader(path).read();
}

}  // namespace bv
