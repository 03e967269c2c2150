#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

// Rows in float8, as stores hold them. A row of W numbers is 4 + W bytes: its scale, a float32, and then each
// number divided by the scale, in e4m3 (Micikevicius et al. 2022, "FP8 Formats for Deep Learning": 1 bit of
// sign, 4 of exponent with bias 7, 3 of mantissa; the largest number is 448; no infinity). The scale is the
// row's largest absolute value / 448, but at least 2^-126. Each number is rounded once, to the nearest; of
// two equally near numbers the one with an even mantissa is taken.

/// (..., W) in float32 to (..., 4 + W) in uint8, on the same device. CPUs and GPUs make the same bytes. If a
/// row has NaN or infinity, so does its scale; see float8_finite.
at::Tensor to_float8(const at::Tensor& rows);

/// Whether all rows (..., 4 + W) have finite numbers only.
bool float8_finite(const at::Tensor& rows);

/// Rows of float8, which are uint8 (..., 4 + W), as float32 (..., W). Rows of any other type stay as they
/// are. Each number of float8 is its e4m3 times the row's scale, rounded once. CPUs and GPUs give the same
/// bits.
at::Tensor decoded(const at::Tensor& rows);

/// The same two conversions without AVX-512, as GPUs and other processors make them. Tests compare them with
/// those above.
at::Tensor to_float8_by_torch(const at::Tensor& rows);
at::Tensor from_float8_by_torch(const at::Tensor& rows);

}  // namespace bv
