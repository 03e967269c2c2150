#include "programs/eval/serve.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

#include <poll.h>
#include <unistd.h>

#include "comm/collective.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "core/standard_streams.hpp"
#include "core/stop_signal.hpp"
#include "io/json.hpp"
#include "io/json_file.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/head.hpp"
#include "programs/shared/head_logits.hpp"
#include "programs/shared/precision.hpp"
#include "squad/features/feature_builder.hpp"
#include "squad/features/features_file.hpp"
#include "squad/scoring/class_scorer.hpp"
#include "squad/text/characters.hpp"
#include "squad/text/tokenizer.hpp"
#include "states/compatibility.hpp"
#include "states/loaded_checkpoint.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownAnswers = 5;

struct ServedHead {
    std::filesystem::path folder;
    TrainedHead trained;
};

/// The layers of the states that a head is given, of a model with `states` of them: none named if it reads
/// all, or if it is a head for each layer, which finds its own among all.
Layers layers_for(const TrainedHead& trained, std::int64_t states) {
    const std::vector<std::int64_t>& layers = trained.origin.layers;
    const bool all = trained.head.definition().each_layer || std::ssize(layers) == states;
    return all ? Layers() : Layers(layers);
}

/// BERT's own head as a head over one state: so one pass of the encoder serves BERT and the heads. That state
/// is the last one; in the classification task it is the pooled output.
Head head_of_bert(const Model& model) {
    const std::string text = fmt::format(
        "task = \"{}\"\nblocks = [{{ type = \"flatten\" }}, {{ type = \"linear\", width = 2 }}]\n",
        model.task());
    Head head(parse_head("BERT", text, "BERT's own head"), 1, model.config().hidden_size, {0});
    BV_EXPECT(head.parameters().size() == 2);  // weight and bias, as at the end of the model's
    for (std::size_t i = 0; i < 2; ++i) {
        const at::Tensor& own = model.parameters()[model.parameters().size() - 2 + i].tensor;
        head.parameters()[i].tensor[0].copy_(own);
    }
    return head;
}

/// The weights of the first learned pooling over the states that the head reads; null if it has none.
/// A pooling over anything else has another number of weights.
Json layer_weights_of(const TrainedHead& trained) {
    const std::vector<std::int64_t>& layers = trained.origin.layers;
    for (const LayerWeights& learned : trained.head.layer_weights(0)) {
        if (static_cast<std::int64_t>(learned.weights.size()) != trained.head.states()) continue;
        Json weights = Json::array();
        const std::size_t before =
            learned.weights.size() - layers.size();  // classification: the pooled output
        for (std::size_t s = 0; s < learned.weights.size(); ++s) {
            weights.push_back({{"layer", s < before ? Json("pooled") : Json(layers[s - before])},
                               {"weight", learned.weights[s]}});
        }
        return weights;
    }
    return nullptr;
}

/// "None" and run_qa's stand-in have no place in the context.
Json answer_of(const Candidate& candidate) {
    return {{"answer", candidate.begin < 0 ? "" : candidate.text},
            {"start", candidate.begin},
            {"end", candidate.end},
            {"probability", candidate.probability}};
}

Json judged(const Features& features, const SpanLogits& logits, const AnswerOptions& options) {
    const QuestionAnswers answers = find_answers(features, logits, options).front();
    Json result = answer_of(answers.is_none(options.null_threshold) ? answers.none() : answers.span());
    result["no_answer_probability"] = answers.none().probability;
    result["null_odds"] = static_cast<double>(answers.null_odds);
    result["n_best"] = Json::array();
    for (const Candidate& candidate : answers.n_best) {
        if (result["n_best"].size() < kShownAnswers) result["n_best"].push_back(answer_of(candidate));
    }
    return result;
}

Json judged(const Features& features, const ClassLogits& logits, const AnswerOptions&) {
    const double none = classify_questions(features, logits).front().none_probability;
    return {{"class", none > 0.5 ? "no answer" : "answer"},
            {"probability", none > 0.5 ? none : 1 - none},
            {"no_answer_probability", none}};
}

/// The text at `key`. Throws Error unless it is there and more than white space.
std::string text_of(const JsonPlace& asked, const char* key) {
    auto text = asked.get<std::string>(key);
    if (trimmed_at_end(text).empty()) fail("\"{}\" is empty", key);
    return text;
}

/// A checkpoint and heads over its states, loaded once to answer questions.
class Answerer {
  public:
    Answerer(const EvalOptions& options, const Communicator& ranks)
        : options_(options), ranks_(ranks), compute_(open_device(options.compute, ranks)) {
        ranks.agree([&] { load(); });
        choose_precision(compute_, options.compute.precision, {.checkpoint = options.checkpoint},
                         bert_->model.config(), ranks);
        bert_->model.to(compute_.device, compute_.precision);
        bert_->model.freeze();
        for (ServedHead& head : heads_) head.trained.head.to(compute_.device);
        collective_ = &make_collective(ranks, compute_.gpu());
        own_head_.emplace(head_of_bert(bert_->model));
        own_head_->to(compute_.device);
        // The first question takes longest, and shows whether each head fits the checkpoint.
        ranks.agree([&] { answers_to("?", "."); });
    }

    /// The answers of all systems. Throws Error if the question cannot be answered.
    std::vector<Json> answers_to(const std::string& question, const std::string& context) const {
        const Features features = features_of(question, context);
        std::vector<Json> answers(systems());
        for (const auto& [layers, which] : heads_of_) answer_by(layers, which, features, answers);
        return answers;
    }

    std::size_t systems() const { return 1 + heads_.size(); }

  private:
    void load() {
        settings_ = read_features(options_.features).settings;
        bert_ = std::make_shared<LoadedCheckpoint>(
            LoadedCheckpoint::load(options_.checkpoint, task_of(options_), Use::logits));
        tokenizer_.emplace(options_.checkpoint);
        Features none;
        none.settings = settings_;
        require_fit(none, options_.features, options_.checkpoint, bert_->model.config());
        heads_of_[Layers()];  // BERT itself reads all states
        for (const std::filesystem::path& folder : options_.heads) {
            heads_.push_back({folder, read_trained(folder)});
            const Layers layers = layers_for(heads_.back().trained, bert_->model.config().states());
            heads_of_[layers].push_back(heads_.size() - 1);
        }
    }

    Features features_of(const std::string& question, const std::string& context) const {
        Dataset dataset;
        dataset.contexts.push_back(context);
        dataset.questions.push_back({.id = "the question", .text = question});
        Progress progress("windows", "questions", 1, true);
        Features features =
            make_features(dataset, *tokenizer_, settings_, Unfound::keep, compute_.threads, progress);
        if (std::ranges::all_of(features.char_begin, [](std::int32_t place) { return place == kNoOffset; }))
            fail("\"context\" holds no character that is part of a token");
        require_embeddings(features, "the question", options_.checkpoint, bert_->model.config());
        return features;
    }

    /// Fills the answers of the heads with the numbers `which`, which all read `layers`, and those of BERT
    /// itself if these are all layers.
    void answer_by(const Layers& layers, const std::vector<std::size_t>& which, const Features& features,
                   std::vector<Json>& answers) const {
        const auto source = states_of(bert_, features, options_.checkpoint.string(), compute_.device, layers);
        std::vector<ReadingHead> reading;
        if (!layers) {
            const StoreInfo& info = source->info();
            reading.push_back({&*own_head_, info.task == Task::span ? info.states() - 1 : 0});
        }
        for (const std::size_t h : which) {
            const TrainedHead& trained = heads_[h].trained;
            require_head_fits(trained.head, trained.origin, *source, options_.allow_other_checkpoint);
            reading.push_back({&trained.head, first_state(trained.head, trained.origin, source->info())});
        }
        const std::vector<Logits> logits =
            predict_heads(reading, *source, kHeadBatch, compute_.device, ranks_, *collective_, WhenTold::end);
        if (!layers) answers[0] = described("BERT", features, logits.front());
        const std::size_t first = layers ? 0 : 1;
        for (std::size_t i = 0; i < which.size(); ++i) {
            const ServedHead& head = heads_[which[i]];
            Json& answer = answers[1 + which[i]];
            answer = described(head.trained.head.definition().name, features, logits[first + i]);
            answer["head_folder"] = head.folder.string();
            if (Json weights = layer_weights_of(head.trained); !weights.is_null())
                answer["layer_weights"] = std::move(weights);
        }
    }

    Json described(const std::string& system, const Features& features, const Logits& logits) const {
        require_finite(features, logits, system);
        Json answer{{"system", system}};
        answer.update(
            std::visit([&](const auto& own) { return judged(features, own, options_.answers); }, logits));
        return answer;
    }

    const EvalOptions& options_;
    const Communicator& ranks_;
    Compute compute_;
    Collective* collective_ = nullptr;
    FeatureSettings settings_;
    std::shared_ptr<LoadedCheckpoint> bert_;
    std::optional<Head> own_head_;  // BERT's
    std::optional<Tokenizer> tokenizer_;
    std::vector<ServedHead> heads_;
    std::map<Layers, std::vector<std::size_t>> heads_of_;  // the heads that read the same layers
};

Json reply_to(const std::string& line, const Answerer& answerer) {
    Json reply = Json::object();
    try {
        const JsonFile file(parse_json(line, "the line"), "the line");
        const JsonPlace asked = file.place();
        if (asked.value().contains("id")) reply["id"] = asked.value()["id"];
        reply["answers"] = answerer.answers_to(text_of(asked, "question"), text_of(asked, "context"));
    } catch (const Error& wrong) {
        reply.erase("answers");
        reply["error"] = wrong.what();
    }
    return reply;
}

/// Waits until standard input has something to read, or has ended. Returns false if told to stop before.
bool wait_for_input() {
    constexpr int kMilliseconds = 200;
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    while (!stop_requested()) {
        if (::poll(&input, 1, kMilliseconds) > 0) return true;
    }
    return false;
}

}  // namespace

void serve(const EvalOptions& options, const Communicator& ranks) {
    ranks.agree([&] {
        if (ranks.size() > 1) fail("--serve answers on one rank; found {} ranks", ranks.size());
    });
    // Every prediction would log how long it took.
    if (spdlog::get_level() == spdlog::level::info) spdlog::set_level(spdlog::level::warn);
    const Answerer answerer(options, ranks);
    std::setvbuf(stdin, nullptr, _IONBF, 0);  // so that no line waits in a buffer that poll does not see
    for (std::string line; wait_for_input() && std::getline(std::cin, line);) {
        print_results(reply_to(line, answerer).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    }
}

}  // namespace bv
