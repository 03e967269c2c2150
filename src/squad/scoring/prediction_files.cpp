#include "squad/scoring/prediction_files.hpp"

#include <unordered_map>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/json.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// The members of the JSON object in the file `path`, in their order. `value_of(value, id)` reads their
/// values.
template <class Value, class Read>
std::vector<std::pair<std::string, Value>> read_members(const std::filesystem::path& path, Read value_of) {
    std::vector<std::pair<std::string, Value>> members;
    std::unordered_map<std::string, std::size_t> place_of_id;
    std::string id;
    // The parser's events are used here, because nlohmann's ordered object searches all earlier members for
    // each new one.
    const auto keep = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (depth == 0 &&
            (event == Json::parse_event_t::array_start || event == Json::parse_event_t::value)) {
            fail("{}: expected a JSON object of question ids", path.string());
        }
        if (depth == 1 && event == Json::parse_event_t::key) id = parsed.get<std::string>();
        if (depth == 1 && event == Json::parse_event_t::value) {
            const auto [found, is_new] = place_of_id.emplace(id, members.size());
            if (is_new) members.emplace_back(id, Value());
            members[found->second].second = value_of(parsed, id);
            return false;
        }
        if (depth == 1 &&
            (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) {
            value_of(Json::object(), id);
        }
        return true;
    };
    [[maybe_unused]] const Json discarded = parse_json(read_file(path), path.string(), keep);
    return members;
}

void write_json(const std::filesystem::path& path, const nlohmann::ordered_json& content) {
    write_file(path, content.dump(4, ' ', true) + "\n");
}

}  // namespace

PredictedTexts read_predictions(const std::filesystem::path& path) {
    return read_members<std::string>(path, [&](const Json& value, const std::string& id) {
        if (!value.is_string()) fail("{}: the answer of question '{}' is no string", path.string(), id);
        return value.get<std::string>();
    });
}

NoAnswerScores read_no_answer_scores(const std::filesystem::path& path) {
    return read_members<double>(path, [&](const Json& value, const std::string& id) {
        if (!value.is_number()) fail("{}: the value of question '{}' is no number", path.string(), id);
        return value.get<double>();
    });
}

void write_no_answer_scores(const std::filesystem::path& path, const NoAnswerScores& scores) {
    nlohmann::ordered_json::object_t members;
    for (const auto& [id, value] : scores) members.push_back({id, value});
    write_json(path, std::move(members));
}

void write_predictions(const std::filesystem::path& folder, const Features& features,
                       const std::vector<QuestionAnswers>& answers, double null_threshold) {
    using Ordered = nlohmann::ordered_json;
    Ordered::object_t texts;
    Ordered::object_t n_best;
    Ordered::object_t null_odds;
    for (const QuestionAnswers& question : answers) {
        const std::string& id = features.questions[static_cast<std::size_t>(question.question)].id;
        Ordered list = Ordered::array();
        for (const Candidate& candidate : question.n_best) {
            list.push_back({{"text", candidate.text},
                            {"start_logit", static_cast<double>(candidate.start_logit)},
                            {"end_logit", static_cast<double>(candidate.end_logit)},
                            {"probability", candidate.probability}});
        }
        // push_back, because emplace would search all earlier members for the id.
        texts.push_back({id, question.text(null_threshold)});
        n_best.push_back({id, std::move(list)});
        null_odds.push_back({id, static_cast<double>(question.null_odds)});
    }
    write_json(folder / "predictions.json", std::move(texts));
    write_json(folder / "nbest_predictions.json", std::move(n_best));
    write_json(folder / "null_odds.json", std::move(null_odds));
}

}  // namespace bv
