#pragma once

#include <functional>

#include "bert/residual_norm.hpp"

namespace bv {

/// A part of the network that makes a hidden state from a hidden state. The backward pass calls it again.
/// So it must own everything it reads, except the weights.
using EncoderLayer = std::function<HiddenState(const HiddenState&)>;

/// Computes layer(x), and keeps only `x` for the backward pass, which computes the rest again (Chen et al.
/// 2016, gradient checkpointing). Values and gradients are the same as those of layer(x). `x` must require
/// a gradient.
HiddenState recomputed(const EncoderLayer& layer, const HiddenState& x);

}  // namespace bv
