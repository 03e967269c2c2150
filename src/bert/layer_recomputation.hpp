#pragma once

#include <functional>

#include "bert/residual_norm.hpp"

namespace bv {

/// A part of the network, from hidden state to hidden state. Called again in the backward pass: it must own
/// what it reads, but for the weights.
using EncoderLayer = std::function<HiddenState(const HiddenState&)>;

/// layer(x), of which only `x` is kept for the backward pass, which computes the rest again (Chen et al.
/// 2016, gradient checkpointing): the same values and gradients. `x` must require a gradient.
HiddenState recomputed(const EncoderLayer& layer, const HiddenState& x);

}  // namespace bv
