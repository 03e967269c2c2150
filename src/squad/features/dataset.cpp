#include "squad/features/dataset.hpp"

#include <unordered_map>
#include <unordered_set>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/json.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// `text` in quotes and on one line.
std::string in_quotes(const std::string& text) {
    return Json(text).dump();
}

/// Reads one file. In its functions `place` is a place in the JSON, for messages ("data[3].paragraphs[0]").
class Reader {
  public:
    explicit Reader(const std::filesystem::path& path) : file_(path.string()) {}

    Dataset read(const Json& root) {
        if (!root.is_object() || !root.contains("data")) {
            fail("{}: no \"data\" at the top; expected a SQuAD file", file_);
        }
        const Json& articles = array_of(root, "data", "");
        for (std::size_t a = 0; a < articles.size(); ++a) {
            const std::string article = fmt::format("data[{}]", a);
            const Json& paragraphs = array_of(articles[a], "paragraphs", article);
            for (std::size_t p = 0; p < paragraphs.size(); ++p) {
                add_paragraph(paragraphs[p], fmt::format("{}.paragraphs[{}]", article, p));
            }
        }
        if (dataset_.questions.empty()) fail("{}: no questions in \"data\"", file_);
        check_labels();
        return std::move(dataset_);
    }

  private:
    const Json& field(const Json& object, const char* key, const std::string& place) const {
        if (!object.is_object()) fail("{}: {} is no JSON object", file_, place);
        const auto found = object.find(key);
        if (found == object.end()) fail("{}: no \"{}\" in {}", file_, key, place);
        return *found;
    }

    const Json& array_of(const Json& object, const char* key, const std::string& place) const {
        const Json& found = field(object, key, place);
        if (!found.is_array())
            fail("{}: \"{}\"{}{} is no list", file_, key, place.empty() ? "" : " in ", place);
        return found;
    }

    const std::string& text_of(const Json& object, const char* key, const std::string& place) const {
        const Json& found = field(object, key, place);
        if (!found.is_string()) fail("{}: \"{}\" in {} is no string", file_, key, place);
        return found.get_ref<const std::string&>();
    }

    void add_paragraph(const Json& paragraph, const std::string& place) {
        const std::string& context = text_of(paragraph, "context", place);
        const Json& questions = array_of(paragraph, "qas", place);
        const auto [known, added] =
            context_index_.try_emplace(context, static_cast<std::int64_t>(dataset_.contexts.size()));
        if (added) dataset_.contexts.push_back(context);
        const std::u32string characters = characters_of(context);
        for (std::size_t q = 0; q < questions.size(); ++q) {
            add_question(questions[q], known->second, characters, fmt::format("{}.qas[{}]", place, q));
        }
    }

    void add_question(const Json& entry, std::int64_t context, const std::u32string& characters,
                      const std::string& place) {
        Question question;
        question.id = text_of(entry, "id", place);
        question.text = text_of(entry, "question", place);
        question.context = context;
        if (!ids_.insert(question.id).second) fail("{}: question id {} stands twice", file_, question.id);
        if (entry.contains("is_impossible")) {
            const Json& impossible = entry["is_impossible"];
            if (!impossible.is_boolean()) {
                fail("{}: question {}: is_impossible is {}, expected true or false", file_, question.id,
                     impossible.dump());
            }
            question.impossible = impossible.get<bool>();
            if (question.impossible) dataset_.labelled = true;
        }
        if (entry.contains("answers")) {
            const Json& answers = array_of(entry, "answers", place);
            for (std::size_t a = 0; a < answers.size(); ++a) {
                question.answers.push_back(
                    answer_of(answers[a], question.id, characters, fmt::format("{}.answers[{}]", place, a)));
            }
            if (!answers.empty()) dataset_.labelled = true;
        }
        if (!question.impossible && question.answers.empty()) {
            (entry.contains("answers") ? empty_ : without_).push_back(question.id);
        }
        if (question.impossible && !question.answers.empty()) {
            fail("{}: question {} is impossible and has {} answers", file_, question.id,
                 question.answers.size());
        }
        dataset_.questions.push_back(std::move(question));
    }

    /// A file without any answer is unlabelled. In every other file each question must have a list of answers
    /// or be impossible.
    void check_labels() const {
        if (!dataset_.labelled) return;
        if (!without_.empty()) {
            fail(
                "{}: question {} has no \"answers\", although other questions have; expected a list, "
                "which may be empty",
                file_, without_.front());
        }
        if (!empty_.empty()) {
            spdlog::warn(
                "{}: {} questions with an empty list of answers are not marked as impossible; they count as "
                "impossible; the first is {}",
                file_, empty_.size(), empty_.front());
        }
    }

    Answer answer_of(const Json& entry, const std::string& id, const std::u32string& characters,
                     const std::string& place) const {
        Answer answer;
        answer.text = text_of(entry, "text", place);
        const Json& start = field(entry, "answer_start", place);
        if (!is_whole(start)) fail("{}: \"answer_start\" in {} is no whole number of 64 bits", file_, place);
        answer.start = start.get<std::int64_t>();
        if (answer.text.empty()) fail("{}: question {}: an answer is empty", file_, id);
        const std::u32string wanted = characters_of(answer.text);
        const auto size = static_cast<std::int64_t>(characters.size());
        if (answer.start < 0 || answer.start >= size) {
            fail("{}: question {}: answer {} starts at character {} of a context of {}", file_, id,
                 in_quotes(answer.text), answer.start, size);
        }
        const std::u32string found = characters.substr(static_cast<std::size_t>(answer.start), wanted.size());
        if (found != wanted) {
            fail("{}: question {}: answer {} is not at character {} of its context; found {} there", file_,
                 id, in_quotes(answer.text), answer.start, in_quotes(utf8_of(found)));
        }
        return answer;
    }

    std::string file_;
    Dataset dataset_;
    std::unordered_map<std::string, std::int64_t> context_index_;
    std::unordered_set<std::string> ids_;
    std::vector<std::string> without_;  // ids of questions without a list of answers
    std::vector<std::string> empty_;    // ids of questions with an empty list that are not marked impossible
};

}  // namespace

Dataset read_squad(const std::filesystem::path& path) {
    return Reader(path).read(read_json(path));
}

Dataset part_of(const Dataset& dataset, const std::vector<bool>& keep) {
    BV_EXPECT(keep.size() == dataset.contexts.size());
    Dataset part;
    part.labelled = dataset.labelled;
    std::vector<std::int64_t> new_index(keep.size());
    for (std::size_t c = 0; c < keep.size(); ++c) {
        new_index[c] = static_cast<std::int64_t>(part.contexts.size());
        if (keep[c]) part.contexts.push_back(dataset.contexts[c]);
    }
    for (const Question& question : dataset.questions) {
        const auto context = static_cast<std::size_t>(question.context);
        if (!keep[context]) continue;
        part.questions.push_back(question);
        part.questions.back().context = new_index[context];
    }
    return part;
}

}  // namespace bv
