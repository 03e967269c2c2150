// Logits files of other programs, as bv_eval reads them.
#include "frame.hpp"
#include "squad/scoring/logits.hpp"

void bv::fuzz::read(std::string_view input) {
    const auto path = write("logits.safetensors", safetensors(input));
    if (task_of_logits(path) == Task::span) {
        read_span_logits(path);
    } else {
        read_class_logits(path);
    }
}
