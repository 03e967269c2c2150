// Writes what a model computes over the first features of a file, without dropout, as safetensors for the
// parity tests: states "state.<l>" (N, H), "pooled" (B, H) in the classification task, "logits", "loss", and
// the loss's gradients under Hugging Face's names. Usage: bert_probe MODEL FEATURES TASK COUNT OUTPUT
#include <cstdio>
#include <map>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "bert/model.hpp"
#include "comm/run_alone.hpp"
#include "core/error.hpp"
#include "squad/features/features_file.hpp"
#include "tensor/tensor_files.hpp"

namespace {

void probe(char** argv) {
    const bv::Features features = bv::read_features(argv[2]);
    const bv::Model model = bv::Model::load(argv[1], bv::parse<bv::Task>(argv[3]), bv::Use::tuning, 1);
    std::vector<std::int64_t> first(std::stoul(argv[4]));
    std::iota(first.begin(), first.end(), 0);
    const bv::Batch batch = bv::make_batch(features, first);
    std::map<std::string, at::Tensor> found;
    {
        const c10::NoGradGuard no_gradients;
        const auto states = model.states(batch);
        for (std::size_t l = 0; l < states.size(); ++l) found["state." + std::to_string(l)] = states[l];
        if (model.task() == bv::Task::classification) found["pooled"] = model.pooled(batch, states.back());
    }
    for (const bv::Parameter& parameter : model.trainable()) parameter.tensor.set_requires_grad(true);
    const at::Tensor logits = model.logits(batch);
    const at::Tensor loss = model.loss(batch, logits);
    loss.backward();
    found["logits"] = logits.detach();
    found["loss"] = loss.detach().reshape({1});
    for (const bv::Parameter& parameter : model.trainable()) {
        const auto parts = parameter.tensor.grad().chunk(static_cast<std::int64_t>(parameter.names.size()));
        for (std::size_t i = 0; i < parts.size(); ++i) found["gradient." + parameter.names[i]] = parts[i];
    }
    found["parameters"] = at::tensor({model.parameter_count()}, at::kLong);
    bv::save_tensors(argv[5], found);
}

}  // namespace

int main(int argc, char** argv) {
    return bv::run_alone([&] {
        if (argc != 6) bv::fail("usage: bert_probe MODEL FEATURES TASK COUNT OUTPUT");
        probe(argv);
    });
}
