#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// A trained tensor and the Hugging Face names it is stored under. Query, key and value are one tensor here,
/// for one matrix product, and three names there: the tensor's rows split evenly over its names.
struct Parameter {
    std::vector<std::string> names;
    at::Tensor tensor;

    /// Whether weight decay applies: not to biases and LayerNorm.
    bool decays() const { return tensor.dim() > 1; }
};

}  // namespace bv
