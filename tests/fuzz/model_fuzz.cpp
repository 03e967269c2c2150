// A model folder as bv_finetune, bv_extract and bv_eval load it: configuration, weights and checkpoint.json.
#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "frame.hpp"
#include "optim/checkpoint.hpp"

void bv::fuzz::read(std::string_view input) {
    write_files(input, {"config.json", "model.safetensors", "model.safetensors.index.json", "1.safetensors",
                        "checkpoint.json"});
    fill_in_fingerprint("checkpoint.json", "model.safetensors");
    const auto about = read_checkpoint(folder());
    const Task task = about ? about->task : Task::span;
    if (about) model_fingerprint(folder());
    Model::load(folder(), task, Use::tuning);
}
