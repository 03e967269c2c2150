#include "tensor/tensor_files.hpp"

#include <cstring>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

#include "core/error.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

constexpr std::pair<DType, at::ScalarType> kTypes[] = {
    {DType::f64, at::kDouble},    {DType::f32, at::kFloat}, {DType::f16, at::kHalf},
    {DType::bf16, at::kBFloat16}, {DType::i64, at::kLong},  {DType::i32, at::kInt},
    {DType::u8, at::kByte},       {DType::f8, at::kByte}};  // a tensor of kByte is u8

}  // namespace

at::ScalarType scalar_type_of(DType dtype) {
    for (const auto& [ours, torchs] : kTypes) {
        if (ours == dtype) return torchs;
    }
    BV_EXPECT(!"every DType is one of Torch's");
    return at::ScalarType::Undefined;
}

DType dtype_of(at::ScalarType type) {
    for (const auto& [ours, torchs] : kTypes) {
        if (torchs == type) return ours;
    }
    BV_EXPECT(!"the tensor's element type is one that files hold");
    return DType::u8;
}

at::Tensor to_tensor(const TensorView& view, std::optional<at::ScalarType> floats_as) {
    at::Tensor tensor = at::empty(view.shape, at::TensorOptions(scalar_type_of(view.dtype)));
    BV_EXPECT(tensor.nbytes() == view.bytes.size());
    if (!view.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    return floats_as && tensor.is_floating_point() ? tensor.to(*floats_as) : tensor;
}

std::map<std::string, at::Tensor> load_tensors(const std::filesystem::path& path,
                                               std::optional<at::ScalarType> floats_as) {
    const SafetensorsFile file(path);
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, view] : file.tensors()) tensors.emplace(name, to_tensor(view, floats_as));
    return tensors;
}

std::string save_tensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
    std::vector<at::Tensor> dense;  // the views point into these tensors
    std::map<std::string, TensorView> views;
    for (const auto& [name, tensor] : tensors) {
        const at::Tensor& here = dense.emplace_back(to_host(tensor.detach()).contiguous());
        views.emplace(name, TensorView{dtype_of(here.scalar_type()),
                                       here.sizes().vec(),
                                       {static_cast<const char*>(here.const_data_ptr()), here.nbytes()}});
    }
    return write_safetensors(path, views, metadata);
}

}  // namespace bv
