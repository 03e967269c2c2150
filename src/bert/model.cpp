#include "bert/model.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bert/pretrained.hpp"
#include "core/error.hpp"
#include "io/files.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

std::string head_name(Task task) {
    return task == Task::span ? "qa_outputs" : "classifier";
}

void initialise(const std::vector<Parameter>& parameters, double deviation, std::uint64_t seed) {
    at::Generator generator = at::detail::createCPUGenerator(seed);
    for (const Parameter& parameter : parameters) {
        if (parameter.decays()) parameter.tensor.normal_(0.0, deviation, generator);
    }
}

std::vector<std::string> names_in(const std::vector<Parameter>& parameters, const std::string& prefix) {
    std::vector<std::string> names;
    for (const Parameter& parameter : parameters) {
        for (const std::string& name : parameter.names) {
            if (name.starts_with(prefix)) names.push_back(name);
        }
    }
    return names;
}

}  // namespace

Model::Model(const BertConfig& config, Task task, std::uint64_t seed)
    : task_(task),
      encoder_(config),
      pooler_weight_{{"pooler.dense.weight"}, at::zeros({config.hidden_size, config.hidden_size})},
      pooler_bias_{{"pooler.dense.bias"}, at::zeros({config.hidden_size})},
      head_weight_{{head_name(task) + ".weight"}, at::zeros({2, config.hidden_size})},
      head_bias_{{head_name(task) + ".bias"}, at::zeros({2})} {
    parameters_ = encoder_.parameters();
    parameters_.insert(parameters_.end(), {pooler_weight_, pooler_bias_, head_weight_, head_bias_});
    initialise(parameters_, config.initializer_range, seed);
}

Model Model::load(const std::filesystem::path& folder, Task task, Use use, std::uint64_t seed) {
    const BertConfig config = read_bert_config(folder);
    require_size(folder, config);
    Model model(config, task, seed);
    const std::string pooler = "pooler.";
    const std::string head = head_name(task) + ".";
    const bool pools = task == Task::classification;
    if (use == Use::states) {
        model.drop(head);
        if (!pools) model.drop(pooler);
    }
    const std::vector<std::string> unused = pools ? std::vector<std::string>() : std::vector{pooler};
    std::vector<Parameter> absent = read_weights(folder, model.parameters_, {pooler, head}, unused);
    for (const std::string& part : {pooler, head}) {
        const std::vector<std::string> missing = names_in(absent, part);
        if (missing.empty()) continue;
        if (missing.size() < names_in(model.parameters_, part).size()) {
            fail("{}: holds only a part of '{}*': {} is missing; the file is damaged", folder.string(), part,
                 fmt::join(missing, ", "));
        }
        if (part == pooler && !pools) {
            model.drop(pooler);
            std::erase_if(absent, [&](const Parameter& one) { return one.names[0].starts_with(pooler); });
        } else if (use != Use::tuning) {
            fail(
                "{}: holds no {}, which the {} of the {} task need; give a checkpoint of "
                "bv_finetune --task {}, which trains them",
                folder.string(), fmt::join(missing, ", "), use == Use::states ? "states" : "logits", task,
                task);
        }
    }
    // Only the absent weights are drawn, so that they depend only on the seed.
    initialise(absent, model.config().initializer_range, seed);
    model.drawn_ = names_in(absent, "");
    return model;
}

/// Removes the parameters whose names start with `prefix`.
void Model::drop(const std::string& prefix) {
    std::erase_if(parameters_, [&](const Parameter& one) { return one.names[0].starts_with(prefix); });
    for (Parameter* own : {&pooler_weight_, &pooler_bias_, &head_weight_, &head_bias_}) {
        if (own->names[0].starts_with(prefix)) own->tensor = at::Tensor();
    }
}

void Model::save(const std::filesystem::path& folder) const {
    snapshot()(folder);
}

std::function<std::string(const std::filesystem::path&)> Model::snapshot() const {
    const std::string architecture =
        task_ == Task::span ? "BertForQuestionAnswering" : "BertForSequenceClassification";
    std::vector<Parameter> copies = parameters_;
    for (Parameter& copy : copies) copy.tensor = copy_to_host(copy.tensor);
    return [copies = std::move(copies), config = to_json(config(), architecture).dump(2) + "\n",
            head = head_name(task_)](const std::filesystem::path& folder) {
        write_file(folder / "config.json", config);
        return write_weights(folder, copies, {head + "."});
    };
}

void Model::to(at::Device device, at::ScalarType precision) {
    encoder_.multiply_in(precision);
    for (const Parameter& parameter : parameters_) parameter.tensor.set_data(parameter.tensor.to(device));
}

at::Device Model::device() const {
    return parameters_.front().tensor.device();
}

std::vector<Parameter> Model::trainable() const {
    std::vector<Parameter> trained;
    for (const Parameter& parameter : parameters_) {
        if (task_ == Task::classification || !parameter.names[0].starts_with("pooler."))
            trained.push_back(parameter);
    }
    return trained;
}

std::int64_t Model::parameter_count() const {
    std::int64_t count = 0;
    for (const Parameter& parameter : parameters_) count += parameter.tensor.numel();
    return count;
}

std::vector<at::Tensor> Model::states(const Batch& batch) const {
    std::vector<at::Tensor> states;
    encoder_.forward(batch, nullptr,
                     [&](std::int64_t, const at::Tensor& values) { states.push_back(values); });
    return states;
}

at::Tensor Model::pooled(const Batch& batch, const at::Tensor& last_state) const {
    BV_EXPECT(pooler_weight_.tensor.defined());
    const at::Tensor first = last_state.index_select(0, batch.packed->first_rows());
    return at::tanh(at::linear(first, pooler_weight_.tensor, pooler_bias_.tensor));
}

at::Tensor Model::logits(const Batch& batch, const DropoutKey* key) const {
    BV_EXPECT(head_weight_.tensor.defined());
    at::Tensor x = encoder_.forward(batch, key);
    if (task_ == Task::classification) {
        x = pooled(batch, x);
        if (key != nullptr) {
            x = dropout(x, {config().head_dropout, *key, 0, DropoutSite::head,
                            std::make_shared<PackedSequences>(batch.packed->one_row_each())});
        }
    }
    return at::linear(x, head_weight_.tensor, head_bias_.tensor);
}

at::Tensor Model::loss(const Batch& batch, const at::Tensor& logits) const {
    constexpr auto kSum = at::Reduction::Sum;
    if (task_ == Task::classification)
        return at::cross_entropy_loss(logits, batch.packed->no_answer, {}, kSum);
    // The softmax is over each sequence's own tokens: the places after the end of a sequence hold minus
    // infinity.
    const std::int64_t longest = batch.packed->longest();
    const auto over_sequences = [&](const at::Tensor& packed) {
        return at::full({batch.sequences(), longest}, -std::numeric_limits<float>::infinity(),
                        packed.options())
            .index_put({batch.sequence_of, batch.positions}, packed);
    };
    return at::cross_entropy_loss(over_sequences(logits.select(1, 0)), batch.packed->start_labels, {}, kSum) +
           at::cross_entropy_loss(over_sequences(logits.select(1, 1)), batch.packed->end_labels, {}, kSum);
}

}  // namespace bv
