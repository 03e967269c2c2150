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

/// Reads columns [column, column + columns) of whole rows of one layer as float32: out[n * columns + c] is
/// the element of row n and column `column` + c, or 0 if a row has no such column. `columns` is a multiple
/// of 16.
void read_columns(const LayerElements& rows, std::int64_t layer, std::int64_t column, std::int64_t columns,
                  float* out);

/// `count` mixes of layers, or their gradients: mix k has the values from values + k * stride on, one for
/// each of the elements.
template <typename Value>
struct Mixes {
    Value* values;
    std::int64_t stride;
    std::int64_t count;
};

/// out[k, e] = sum_l mixes[k * L + l] * states[l, e], for the K mixes and the elements e.
void mix_layers(const LayerElements& elements, const float* mixes, const Mixes<float>& out);

/// Outputs of the linear layers that multiply_mixes computes: those of the last block of every head.
inline constexpr std::int64_t kLinearOutputs = 2;

/// Rows that multiply_mixes computes together: so few that the sums of ten mixes stay in the first cache of a
/// core, and the rows themselves in the second one.
inline constexpr std::int64_t kTileRows = 8;

/// K mixes of L layers, and a linear layer from W to two outputs after each of them.
struct LinearMixes {
    std::int64_t count;    ///< K
    const float* mixes;    ///< (K, L)
    const float* weights;  ///< (K, 2, W)
    const float* biases;   ///< (K, 2)
};

/// out[(k * 2 + o) * stride + n] = biases[k, o] + sum_w weights[k, o, w] * sum_l mixes[k, l] * states[l, n,
/// w], for the K mixes and the rows n of `rows`, which are whole; n = 0 is the first of them.
void multiply_mixes(const LayerElements& rows, const LinearMixes& linear, float* out, std::int64_t stride);

/// sums[k * L + l] = sum_e gradients[k, e] * states[l, e], for the K mixes, the layers and the elements e.
void mix_gradients(const LayerElements& elements, const Mixes<const float>& gradients, double* sums);

}  // namespace bv
