// Writes what a new head computes, in their element type (float32 or float64), over states read from a
// safetensors file ("states", "starts", "start_labels", "end_labels", "no_answer", labels as rows of N), as
// safetensors for the parity tests: its first tensors "initial.<name>", then "logits", "loss", the loss's
// gradients "gradient.<name>", and its buffers afterwards, "buffer.<name>". Usage: head_probe HEAD SEED
// training|evaluation INPUT OUTPUT
#include <cstdio>
#include <map>
#include <numeric>
#include <optional>
#include <string>

#include <ATen/ATen.h>

#include "comm/run_alone.hpp"
#include "core/error.hpp"
#include "heads/head.hpp"
#include "tensor/tensor_files.hpp"

namespace {

bv::StateBatch read_batch(const std::string& path) {
    const auto tensors = bv::load_tensors(path);
    bv::StateBatch batch;
    const at::Tensor& starts = tensors.at("starts");
    const at::Tensor rows = at::diff(starts);
    std::vector<std::int64_t> examples(static_cast<std::size_t>(rows.numel()));
    std::iota(examples.begin(), examples.end(), 0);
    bv::PackedSequences packed =
        bv::pack(examples, std::span(rows.const_data_ptr<std::int64_t>(), examples.size()));
    batch.states = tensors.at("states");
    packed.start_labels = tensors.at("start_labels") - packed.first_rows();
    packed.end_labels = tensors.at("end_labels") - packed.first_rows();
    packed.no_answer = tensors.at("no_answer");
    batch.packed = std::make_shared<bv::PackedSequences>(std::move(packed));
    return batch;
}

void probe(char** argv) {
    const bv::StateBatch batch = read_batch(argv[4]);
    const bv::Head head(bv::find_head(argv[1]), batch.states.size(0), batch.states.size(2),
                        {std::stoull(argv[2])});
    std::map<std::string, at::Tensor> found;
    const at::ScalarType type = batch.states.scalar_type();
    for (const bv::NamedTensor& buffer : head.buffers()) buffer.tensor.set_data(buffer.tensor.to(type));
    for (const bv::NamedTensor& parameter : head.parameters()) {
        found["initial." + parameter.name] = parameter.tensor[0].clone();
        parameter.tensor.set_data(parameter.tensor.to(type));
        parameter.tensor.set_requires_grad(true);
    }
    const bool training = std::string(argv[3]) == "training";
    const at::Tensor logits = head.forward(batch, training ? std::optional<std::int64_t>(0) : std::nullopt);
    const at::Tensor loss = bv::head_loss(head.definition().task, batch, logits);
    loss.backward();
    found["logits"] = logits.detach()[0];
    found["loss"] = loss.detach();
    for (const bv::NamedTensor& parameter : head.parameters()) {
        found["gradient." + parameter.name] = parameter.tensor.grad()[0];
    }
    for (const bv::NamedTensor& buffer : head.buffers()) found["buffer." + buffer.name] = buffer.tensor[0];
    bv::save_tensors(argv[5], found);
}

}  // namespace

int main(int argc, char** argv) {
    return bv::run_alone([&] {
        if (argc != 6) bv::fail("usage: head_probe HEAD SEED training|evaluation INPUT OUTPUT");
        probe(argv);
    });
}
