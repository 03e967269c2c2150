// Files of tensors, all of which are read.
#include "frame.hpp"
#include "tensor/tensor_files.hpp"

void bv::fuzz::read(std::string_view input) {
    load_tensors(write("tensors.safetensors", safetensors(input)), at::kFloat);
}
