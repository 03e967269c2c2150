#include "squad/features/features_file.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "core/error.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

constexpr const char* kGroup = "features";
constexpr const char* kSchema = "bertvision-features";
constexpr std::int64_t kVersion = 2;

/// Calls `act(name, column)` for every packed column of `features`.
template <class AnyFeatures, class Act>
void for_each_column(AnyFeatures& features, Act act) {
    act("starts", features.starts);
    act("ids", features.ids);
    act("segments", features.segments);
    act("char_begin", features.char_begin);
    act("char_end", features.char_end);
    act("byte_begin", features.byte_begin);
    act("byte_end", features.byte_end);
    act("max_context", features.max_context);
    act("start_label", features.start_label);
    act("end_label", features.end_label);
    act("question_of", features.question_of);
    act("window", features.window);
    act("context_token", features.context_token);
}

/// Questions as columns, the way they are stored.
struct QuestionColumns {
    std::vector<std::string> ids;
    std::vector<std::string> texts;
    std::vector<std::int64_t> contexts;
    std::vector<std::uint8_t> impossible;
    std::vector<std::int64_t> answer_starts{0};
    std::vector<std::string> answer_texts;
    std::vector<std::int64_t> answer_places;
};

void write_questions(h5::Group& table, const std::vector<Question>& questions) {
    QuestionColumns columns;
    for (const Question& question : questions) {
        columns.ids.push_back(question.id);
        columns.texts.push_back(question.text);
        columns.contexts.push_back(question.context);
        columns.impossible.push_back(question.impossible ? 1 : 0);
        for (const Answer& answer : question.answers) {
            columns.answer_texts.push_back(answer.text);
            columns.answer_places.push_back(answer.start);
        }
        columns.answer_starts.push_back(static_cast<std::int64_t>(columns.answer_texts.size()));
    }
    h5::Group group = table.create_group("questions");
    group.write_strings("id", columns.ids);
    group.write_strings("text", columns.texts);
    group.write("context", columns.contexts);
    group.write("impossible", columns.impossible);
    group.write("answer_starts", columns.answer_starts);
    group.write_strings("answer_text", columns.answer_texts);
    group.write("answer_place", columns.answer_places);
}

/// Throws Error "PLACE: its table contradicts itself: WHAT".
void require(bool sound, const h5::Group& group, const char* what) {
    if (!sound) fail("{}: the features contradict themselves: {}", group.place(), what);
}

bool are_starts(const std::vector<std::int64_t>& starts, std::size_t total) {
    return !starts.empty() && starts.front() == 0 && std::is_sorted(starts.begin(), starts.end()) &&
           starts.back() == static_cast<std::int64_t>(total);
}

template <class T>
bool within(const std::vector<T>& values, std::int64_t low, std::int64_t high) {
    return std::all_of(values.begin(), values.end(), [&](T value) { return value >= low && value <= high; });
}

std::vector<Question> read_questions(const h5::Group& table) {
    const h5::Group group = table.open_group("questions");
    QuestionColumns columns;
    columns.ids = group.read_strings("id");
    columns.texts = group.read_strings("text");
    columns.contexts = group.read<std::int64_t>("context");
    columns.impossible = group.read<std::uint8_t>("impossible");
    columns.answer_starts = group.read<std::int64_t>("answer_starts");
    columns.answer_texts = group.read_strings("answer_text");
    columns.answer_places = group.read<std::int64_t>("answer_place");
    const std::size_t count = columns.ids.size();
    require(columns.texts.size() == count && columns.contexts.size() == count &&
                columns.impossible.size() == count && columns.answer_starts.size() == count + 1,
            group, "columns of questions differ in length");
    require(are_starts(columns.answer_starts, columns.answer_texts.size()) &&
                columns.answer_places.size() == columns.answer_texts.size(),
            group, "answer_starts does not fit the answers");
    std::vector<Question> questions(count);
    for (std::size_t q = 0; q < count; ++q) {
        questions[q] = {
            columns.ids[q], columns.texts[q], columns.contexts[q], {}, columns.impossible[q] != 0};
        const auto begin = static_cast<std::size_t>(columns.answer_starts[q]);
        const auto end = static_cast<std::size_t>(columns.answer_starts[q + 1]);
        for (std::size_t a = begin; a < end; ++a) {
            questions[q].answers.push_back({columns.answer_texts[a], columns.answer_places[a]});
        }
    }
    return questions;
}

void check_labels_and_offsets(const Features& features, const h5::Group& table) {
    for (std::int64_t f = 0; f < features.count(); ++f) {
        const auto at = static_cast<std::size_t>(f);
        const std::int64_t tokens = features.tokens_of(f);
        const std::int32_t first = features.start_label[at];
        const std::int32_t last = features.end_label[at];
        const bool unlabelled = first == kUnlabelled && last == kUnlabelled;
        require(tokens > 0, table, "a feature has no tokens");
        require(unlabelled || (first >= 0 && first <= last && last < tokens), table,
                "a label lies outside its feature");
        const auto question = static_cast<std::size_t>(features.question_of[at]);
        const auto context = static_cast<std::size_t>(features.questions[question].context);
        const auto size = static_cast<std::int32_t>(features.contexts[context].size());
        const auto fits = [&](std::int32_t begin, std::int32_t end) {
            return (begin == kNoOffset && end == kNoOffset) || (begin >= 0 && begin <= end && end <= size);
        };
        const auto begin = static_cast<std::size_t>(features.starts[at]);
        for (std::size_t i = begin; i < begin + static_cast<std::size_t>(tokens); ++i) {
            require(fits(features.char_begin[i], features.char_end[i]) &&
                        fits(features.byte_begin[i], features.byte_end[i]),
                    table, "a token's offsets lie outside its context");
        }
    }
}

void check_table(const Features& features, const h5::Group& table) {
    const auto count = features.question_of.size();
    require(features.starts.size() == count + 1 && are_starts(features.starts, features.ids.size()), table,
            "starts does not fit the tokens");
    for (const std::size_t size :
         {features.segments.size(), features.char_begin.size(), features.char_end.size(),
          features.byte_begin.size(), features.byte_end.size(), features.max_context.size()}) {
        require(size == features.ids.size(), table, "columns of tokens differ in length");
    }
    for (const std::size_t size : {features.start_label.size(), features.end_label.size(),
                                   features.window.size(), features.context_token.size()}) {
        require(size == count, table, "columns of features differ in length");
    }
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    require(within(features.ids, 0, kMost), table, "a token id is negative");
    require(within(features.segments, 0, 1), table, "a segment is neither 0 nor 1");
    require(within(features.max_context, 0, 1), table, "a max_context flag is neither 0 nor 1");
    require(within(features.window, 0, kMost) && within(features.context_token, 0, kMost), table,
            "a window's place is negative");
    require(within(features.question_of, 0, static_cast<std::int64_t>(features.questions.size()) - 1), table,
            "question_of points past the questions");
    for (const Question& question : features.questions) {
        require(
            question.context >= 0 && question.context < static_cast<std::int64_t>(features.contexts.size()),
            table, "a question points past the contexts");
    }
    check_labels_and_offsets(features, table);
}

/// The value of an attribute that holds one of the words of E. Throws Error, which names the attribute's
/// place.
template <HasWords E>
E read_word(const h5::Group& table, const std::string& name) {
    const std::string word = table.read_text_attribute(name);
    if (const auto value = find_word<E>(word)) return *value;
    fail("{}: {} is \"{}\"; expected one of: {}", table.place(), name, word, choices<E>());
}

}  // namespace

void write_features_table(h5::Group& root, const Features& features) {
    h5::Group table = root.create_group(kGroup);
    table.write_attribute("schema", kSchema);
    table.write_attribute("version", kVersion);
    table.write_attribute("fingerprint", features.fingerprint());
    table.write_attribute("vocabulary", features.settings.vocabulary);
    table.write_attribute("tokenizer", features.settings.tokenizer);
    table.write_attribute("lower_case", std::int64_t{features.settings.lower_case});
    table.write_attribute("max_tokens", features.settings.max_tokens);
    table.write_attribute("max_question_tokens", features.settings.max_question_tokens);
    table.write_attribute("stride", features.settings.stride);
    table.write_attribute("stride_means", to_string(features.settings.stride_means));
    table.write_attribute("label_rule", to_string(features.settings.label_rule));
    table.write_attribute("labelled", std::int64_t{features.labelled});
    for_each_column(features, [&](const char* name, const auto& column) { table.write(name, column); });
    table.write_strings("contexts", features.contexts);
    write_questions(table, features.questions);
}

void write_features(const std::filesystem::path& path, const Features& features, bool force) {
    require_absent(path, force);
    AsideFile aside(path);
    {
        h5::File file = h5::File::create(aside.path());
        {
            h5::Group root = file.root();
            write_features_table(root, features);
        }
        file.close();
    }
    flush_to_disk(aside.path());
    aside.take_place();
}

Features read_features(const std::filesystem::path& path, h5::File::Truncated truncated) {
    const h5::File file = h5::File::open(path, truncated);
    const h5::Group root = file.root();
    if (!root.has(kGroup))
        fail("{} has no group \"{}\"; expected a features file or a store", path.string(), kGroup);
    const h5::Group table = root.open_group(kGroup);
    const std::string schema = table.read_text_attribute("schema");
    const std::int64_t version = table.read_number_attribute("version");
    if (schema != kSchema || version != kVersion) {
        fail("{}: schema {} version {}; this program reads {} version {}", table.place(), schema, version,
             kSchema, kVersion);
    }
    Features features;
    features.settings.vocabulary = table.read_text_attribute("vocabulary");
    features.settings.tokenizer = table.read_text_attribute("tokenizer");
    features.settings.lower_case = table.read_number_attribute("lower_case") != 0;
    features.settings.max_tokens = table.read_number_attribute("max_tokens");
    features.settings.max_question_tokens = table.read_number_attribute("max_question_tokens");
    features.settings.stride = table.read_number_attribute("stride");
    features.settings.stride_means = read_word<StrideMeans>(table, "stride_means");
    features.settings.label_rule = read_word<LabelRule>(table, "label_rule");
    features.labelled = table.read_number_attribute("labelled") != 0;
    for_each_column(features, [&](const char* name, auto& column) {
        column = table.read<typename std::remove_reference_t<decltype(column)>::value_type>(name);
    });
    features.contexts = table.read_strings("contexts");
    features.questions = read_questions(table);
    check_table(features, table);
    const std::string promised = table.read_text_attribute("fingerprint");
    const std::string found = features.fingerprint();
    if (found != promised) {
        fail("{}: fingerprint is {}, but the file says {}; it is damaged", table.place(), found, promised);
    }
    return features;
}

}  // namespace bv
