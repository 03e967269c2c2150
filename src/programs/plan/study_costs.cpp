#include "programs/plan/study_costs.hpp"

#include <algorithm>
#include <utility>

#include "heads/head.hpp"
#include "heads/head_definition.hpp"
#include "states/task_states.hpp"

namespace bv {
namespace {

StoreInfo stored_states(const Study& study, const BertConfig& config, Task task) {
    StoreInfo info;
    info.task = task;
    info.dtype = dtype_named(study.dtype);
    info.hidden_size = config.hidden_size;
    info.layers = layers_of_model(study.layers, config.states());
    return info;
}

/// The seconds that `work` takes at `rate` per second; 0 when the rate is unknown.
double seconds_of(double work, double rate) {
    return rate > 0 ? work / rate : 0;
}

/// How often the states are read in one epoch of head training: once for all heads together. Experiments add
/// to it: each share of the questions, each part of the layers, and the controls on shuffled labels are a
/// separate pass.
struct Reads {
    double train = 1;     ///< passes over the training store; a part of it counts as a fraction
    double dev = 1;       ///< passes over the dev store
    double computed = 1;  ///< passes of the encoder, which always computes all layers
};

Reads reads_of(const Study& study, std::int64_t layers) {
    Reads reads;
    for (const double share : study.shares) {
        reads.train += share;
        reads.dev += 1;
        reads.computed += share;
    }
    for (const std::vector<std::int64_t>& subset : study.layer_subsets) {
        const double part = static_cast<double>(subset.size()) / static_cast<double>(layers);
        reads.train += part;
        reads.dev += part;
        reads.computed += 1;
    }
    if (study.shuffled_labels) {
        reads.train += 1;
        reads.dev += 1;
        reads.computed += 1;
    }
    return reads;
}

/// Sizes of results, in bytes for each feature: records, predictions, the 20 best answers and null odds of
/// the span task, and records of a head. They were measured on the excerpts of SQuAD 2.0 that the tests read.
constexpr std::int64_t kSpanResults = 4900;
constexpr std::int64_t kClassificationResults = 95;
constexpr std::int64_t kHeadRecords = 110;

/// The bytes of two logits for each token, or in the classification task for each feature.
std::int64_t logits_bytes(Task task, std::int64_t features, std::int64_t tokens) {
    return 2 * 4 * (task == Task::span ? tokens : features);
}

/// How often a head is trained: in each variant with each learning rate, and for each layer if each layer has
/// a head of its own. A layer's own head is the same in each choice of layers.
std::int64_t trainings(const Study& study, const HeadDefinition& head, std::int64_t layers, bool variants) {
    auto count = static_cast<std::int64_t>(1 + (study.shuffled_labels ? 1 : 0));
    if (variants) {
        count += std::ssize(study.shares);
        if (!head.each_layer) count += std::ssize(study.layer_subsets);
    }
    return count * std::ssize(study.learning_rates) * (head.each_layer ? layers : 1);
}

/// Counts the heads of the task and their files.
void add_heads(const Study& study, const StoreInfo& info, const StudyData& data, TaskCosts& cost) {
    const std::string probe = to_string(info.task) + "_probe";
    const auto layers = static_cast<std::int64_t>(info.layers.size());
    const std::int64_t results = logits_bytes(info.task, data.dev_features, data.dev_tokens) +
                                 logits_bytes(info.task, data.held_features, data.held_tokens) +
                                 kHeadRecords * data.dev_features;
    bool has_probe = false;
    const auto add = [&](const std::string& name, bool variants) {
        const HeadDefinition definition = find_head(name);
        has_probe = has_probe || definition.name == probe;
        const std::int64_t states = definition.each_layer ? 1 : info.states();
        const std::int64_t count = trainings(study, definition, layers, variants);
        const std::int64_t parameters = Head(definition, states, info.hidden_size, {0}).parameter_count();
        cost.heads += count;
        cost.head_files += count * (4 * parameters + results);
    };
    for (const std::string& name : info.task == Task::span ? study.span_heads : study.classification_heads)
        add(name, true);
    if (study.layer_atlas && !has_probe) add(probe, false);
}

}  // namespace

BertConfig bert_large() {
    BertConfig config;
    config.hidden_size = 1024;
    config.layers = 24;
    config.heads = 16;
    config.intermediate_size = 4096;
    return config;
}

std::int64_t parameter_count(const BertConfig& config) {
    const std::int64_t h = config.hidden_size;
    const std::int64_t norm = 2 * h;
    const std::int64_t embeddings = (config.vocabulary + config.positions + config.segments) * h + norm;
    const std::int64_t attention = 4 * (h * h + h) + norm;
    const std::int64_t feed_forward =
        h * config.intermediate_size + config.intermediate_size + config.intermediate_size * h + h + norm;
    const std::int64_t pooler = h * h + h;
    const std::int64_t head = 2 * h + 2;
    return embeddings + config.layers * (attention + feed_forward) + pooler + head;
}

std::vector<TaskCosts> study_costs(const Study& study, const BertConfig& config, const StudyData& data,
                                   const StudyRates& rates) {
    const auto seeds = static_cast<std::int64_t>(study.seeds.size());
    const auto train_tokens = static_cast<double>(data.train_tokens);
    const auto all_tokens = static_cast<double>(data.train_tokens + data.dev_tokens + data.held_tokens);
    std::vector<TaskCosts> costs;
    for (Task task : study.tasks) {
        const StoreInfo info = stored_states(study, config, task);
        const std::int64_t row = info.states() * info.row_bytes();
        const bool span = task == Task::span;
        TaskCosts cost;
        cost.task = task;
        cost.checkpoint = 4 * parameter_count(config);
        cost.resume = 6 * cost.checkpoint;
        cost.train_store = row * (span ? data.train_tokens : data.train_features);
        cost.dev_store = row * (span ? data.dev_tokens : data.dev_features);
        cost.held_store = row * (span ? data.held_tokens : data.held_features);
        cost.evaluation_files = logits_bytes(task, data.dev_features, data.dev_tokens) +
                                (span ? kSpanResults : kClassificationResults) * data.dev_features;
        if (!study.states_at.empty()) add_heads(study, info, data, cost);
        cost.checkpoints = seeds * static_cast<std::int64_t>(study.checkpoints.size());
        cost.stores = seeds * static_cast<std::int64_t>(study.states_at.size());

        const EpochFraction& last = study.checkpoints.back();
        cost.tuning = seconds_of(
            train_tokens * static_cast<double>(last.numerator()) / static_cast<double>(last.denominator()),
            rates.tuned_tokens);
        // bv_finetune scores the held-out questions, and in the span task bv_eval does so again for the
        // threshold.
        const std::int64_t scored = data.dev_tokens + (span ? 2 : 1) * data.held_tokens;
        cost.evaluation = seconds_of(static_cast<double>(scored), rates.encoded_tokens);
        const auto bytes = static_cast<double>(cost.all_stores());
        const double encoding = seconds_of(all_tokens, rates.encoded_tokens);
        const double writing = seconds_of(bytes, rates.written_bytes);
        cost.extraction = std::max(encoding, writing);
        cost.disk_bound = writing > encoding;
        const auto passes = static_cast<double>(study.head_epochs(task));
        const Reads reads = reads_of(study, static_cast<std::int64_t>(info.layers.size()));
        for (const auto& [store, times] :
             {std::pair(cost.train_store, reads.train), std::pair(cost.dev_store, reads.dev),
              std::pair(cost.held_store, reads.dev)}) {
            const bool cached = static_cast<double>(store) <= rates.cached_bytes;
            cost.heads_stored +=
                seconds_of((cached ? 1 : passes) * times * static_cast<double>(store), rates.read_bytes);
        }
        cost.heads_recomputed = passes * reads.computed * encoding;
        costs.push_back(cost);
    }
    return costs;
}

StudySpace study_space(const Study& study, const std::vector<TaskCosts>& costs) {
    StudySpace space;
    std::int64_t stores = 0;
    std::int64_t resume = 0;
    for (const TaskCosts& cost : costs) {
        space.kept +=
            cost.checkpoints * (cost.checkpoint + cost.evaluation_files) + cost.stores * cost.head_files;
        if (study.keep_stores) space.kept += cost.stores * cost.all_stores();
        if (cost.stores > 0) stores = std::max(stores, cost.all_stores());
        resume = std::max(resume, cost.resume);
    }
    // Jobs run one after another. So at any time only one has resume states, and only the stores of one
    // checkpoint exist.
    space.most = space.kept + std::max(resume, study.keep_stores ? 0 : stores);
    return space;
}

}  // namespace bv
