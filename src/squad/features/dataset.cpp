#include "squad/features/dataset.hpp"

#include <unordered_map>
#include <unordered_set>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/json_file.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

/// `text` in quotes and on one line.
std::string in_quotes(const std::string& text) {
    return nlohmann::json(text).dump();
}

class Reader {
  public:
    explicit Reader(const std::filesystem::path& path) : file_(path) {}

    Dataset read() {
        if (!file_.place().has("data"))
            fail("{}: no \"data\" at the top; expected a SQuAD file", file_.name());
        for (const JsonPlace& article : file_.place().at("data").elements()) {
            for (const JsonPlace& paragraph : article.at("paragraphs").elements()) add_paragraph(paragraph);
        }
        if (dataset_.questions.empty()) fail("{}: no questions in \"data\"", file_.name());
        check_labels();
        return std::move(dataset_);
    }

  private:
    void add_paragraph(const JsonPlace& paragraph) {
        const auto context = paragraph.get<std::string>("context");
        const auto [known, added] =
            context_index_.try_emplace(context, static_cast<std::int64_t>(dataset_.contexts.size()));
        if (added) dataset_.contexts.push_back(context);
        const std::u32string characters = characters_of(context);
        for (const JsonPlace& question : paragraph.at("qas").elements())
            add_question(question, known->second, characters);
    }

    void add_question(const JsonPlace& entry, std::int64_t context, const std::u32string& characters) {
        Question question;
        question.id = entry.get<std::string>("id");
        question.text = entry.get<std::string>("question");
        question.context = context;
        if (!ids_.insert(question.id).second)
            fail("{}: question id {} stands twice", file_.name(), question.id);
        question.impossible = entry.get<bool>("is_impossible", false);
        if (question.impossible) dataset_.labelled = true;
        const auto answers = entry.find("answers");
        if (answers) {
            for (const JsonPlace& answer : answers->elements())
                question.answers.push_back(answer_of(answer, question.id, characters));
            if (!question.answers.empty()) dataset_.labelled = true;
        }
        if (!question.impossible && question.answers.empty())
            (answers ? empty_ : without_).push_back(question.id);
        if (question.impossible && !question.answers.empty()) {
            fail("{}: question {} is impossible and has {} answers", file_.name(), question.id,
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
                file_.name(), without_.front());
        }
        if (!empty_.empty()) {
            spdlog::warn(
                "{}: {} questions with an empty list of answers are not marked as impossible; they count as "
                "impossible; the first is {}",
                file_.name(), empty_.size(), empty_.front());
        }
    }

    Answer answer_of(const JsonPlace& entry, const std::string& id, const std::u32string& characters) const {
        Answer answer;
        answer.text = entry.get<std::string>("text");
        answer.start = entry.get<std::int64_t>("answer_start");
        if (answer.text.empty()) fail("{}: question {}: an answer is empty", file_.name(), id);
        const std::u32string wanted = characters_of(answer.text);
        const auto size = static_cast<std::int64_t>(characters.size());
        if (answer.start < 0 || answer.start >= size) {
            fail("{}: question {}: answer {} starts at character {} of a context of {}", file_.name(), id,
                 in_quotes(answer.text), answer.start, size);
        }
        const std::u32string found = characters.substr(static_cast<std::size_t>(answer.start), wanted.size());
        if (found != wanted) {
            fail("{}: question {}: answer {} is not at character {} of its context; found {} there",
                 file_.name(), id, in_quotes(answer.text), answer.start, in_quotes(utf8_of(found)));
        }
        return answer;
    }

    JsonFile file_;
    Dataset dataset_;
    std::unordered_map<std::string, std::int64_t> context_index_;
    std::unordered_set<std::string> ids_;
    std::vector<std::string> without_;  // ids of questions without a list of answers
    std::vector<std::string> empty_;    // ids of questions with an empty list that are not marked impossible
};

}  // namespace

Dataset read_squad(const std::filesystem::path& path) {
    return Reader(path).read();
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
