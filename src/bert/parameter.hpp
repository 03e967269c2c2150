#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// A trained tensor and the Hugging Face names under which it is stored. Query, key and value are one
/// tensor here, for one matrix product, but three tensors in the files: the rows are divided equally among
/// the names.
struct Parameter {
    std::vector<std::string> names;
    at::Tensor tensor;

    /// Whether weight decay applies. It does not apply to biases and LayerNorm.
    bool decays() const { return tensor.dim() > 1; }
};

}  // namespace bv
