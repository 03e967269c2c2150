// SQuAD files: read_squad.
#include "frame.hpp"
#include "squad/features/dataset.hpp"

void bv::fuzz::read(std::string_view input) {
    read_squad(write("dataset.json", input));
}
