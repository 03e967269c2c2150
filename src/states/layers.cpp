#include "states/layers.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include <fmt/ranges.h>

#include "core/error.hpp"

namespace bv {

Layers parse_layers(const std::string& text) {
    if (text == "all") return std::nullopt;
    std::set<std::int64_t> layers;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t comma = std::min(text.find(',', begin), text.size());
        const char* const end = text.data() + comma;
        std::int64_t layer = -1;
        const auto [rest, wrong] = std::from_chars(text.data() + begin, end, layer);
        if (wrong != std::errc() || rest != end || layer < 0) {
            fail(
                "layers '{}': '{}' is not the number of a hidden state; give 'all' or a list such as 0,12,24",
                text, text.substr(begin, comma - begin));
        }
        layers.insert(layer);
        begin = comma + 1;
    }
    return std::vector<std::int64_t>(layers.begin(), layers.end());
}

std::string layers_text(const Layers& layers) {
    return layers ? fmt::format("{}", fmt::join(*layers, ",")) : "all";
}

std::vector<std::int64_t> layers_of_model(const Layers& layers, std::int64_t states) {
    if (layers) {
        if (layers->back() < states) return *layers;
        fail("the layers {} are wanted, but the model has the hidden states 0 (embedding output) to {}",
             layers_text(layers), states - 1);
    }
    std::vector<std::int64_t> all(static_cast<std::size_t>(states));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

}  // namespace bv
