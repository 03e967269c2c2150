#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/dtype.hpp"
#include "io/safetensors.hpp"

namespace bv {

/// Torch's element type for ours, and ours for Torch's. A type that files cannot hold breaks a contract
/// (std::logic_error).
at::ScalarType scalar_type_of(DType dtype);
DType dtype_of(at::ScalarType type);

/// A copy of `view` as a tensor on the CPU. With `floats_as` floating-point elements are converted to that
/// type, for example weights of float16 to float32; integers stay as they are.
at::Tensor to_tensor(const TensorView& view, std::optional<at::ScalarType> floats_as = std::nullopt);

/// All tensors of a safetensors file by name, on the CPU; `floats_as` as above. Throws Error, which names the
/// file and its fault.
std::map<std::string, at::Tensor> load_tensors(const std::filesystem::path& path,
                                               std::optional<at::ScalarType> floats_as = std::nullopt);

/// Writes `tensors` (any device and strides) as a safetensors file. Hugging Face's from_pretrained needs the
/// default metadata. Returns the file's fingerprint. Throws Error, which names the path.
std::string save_tensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace bv
