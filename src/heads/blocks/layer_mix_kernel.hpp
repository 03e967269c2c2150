#pragma once

#include <cstdint>

#include <c10/core/ScalarType.h>

namespace bv {

/// A range of elements in every layer, as kernels read them. In float8 (tensor/float8.hpp) it is whole rows.
struct LayerElements {
    const void* states;    ///< the states of layer 0, of element type `type`
    c10::ScalarType type;  ///< float32, float16 or bfloat16, or uint8 for float8
    std::int64_t layers;   ///< L
    std::int64_t width;    ///< number of elements of a row
    std::int64_t stride;   ///< number of elements from one layer to the next
    std::int64_t first;    ///< number of the first element within its layer
    std::int64_t count;
};

/// Whether this processor has the kernels below for states of `type`.
bool has_layer_mix_kernel(c10::ScalarType type);

/// out[k * stride + e] = sum_l mixes[k * L + l] * states[l * stride + e], for the K mixes and the elements e.
void mix_layers(const LayerElements& elements, const float* mixes, std::int64_t count, float* out);

/// sums[k * L + l] = sum_e gradients[k * stride + e] * states[l * stride + e], for the K mixes, the layers
/// and the elements e.
void mix_gradients(const LayerElements& elements, const float* gradients, std::int64_t count, double* sums);

}  // namespace bv
