// questions.safetensors of other programs, as bv_eval --compare reads them.
#include "frame.hpp"
#include "squad/scoring/question_records.hpp"

void bv::fuzz::read(std::string_view input) {
    read_question_records(write("questions.safetensors", safetensors(input)));
}
