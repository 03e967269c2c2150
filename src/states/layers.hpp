#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bv {

/// A choice of hidden states: their numbers, ascending, each once; 0 is the embedding output. Without a value
/// all hidden states are chosen.
using Layers = std::optional<std::vector<std::int64_t>>;

/// The choice that "all" or a list such as "0,12,24" names. Throws Error, which names the wrong item.
Layers parse_layers(const std::string& text);

/// The text from which parse_layers makes `layers`.
std::string layers_text(const Layers& layers);

/// The numbers of the chosen hidden states of a model with `states` of them. Throws Error, which names
/// `layers`, if the model does not have one of them.
std::vector<std::int64_t> layers_of_model(const Layers& layers, std::int64_t states);

}  // namespace bv
