#include "tensor/tensor_files.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

TEST(TensorFiles, EveryElementTypeReadsBack) {
    const TemporaryFolder folder;
    const auto path = folder / "model.safetensors";
    std::map<std::string, at::Tensor> written;
    for (const DType dtype :
         {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::u8}) {
        written.emplace(name_of(dtype), at::arange(6).view({2, 3}).to(scalar_type_of(dtype)));
        EXPECT_EQ(dtype_of(scalar_type_of(dtype)), dtype);
    }
    written.emplace("scalar", at::scalar_tensor(3.5, at::kFloat));
    written.emplace("none", at::empty({0, 4}, at::kFloat));
    save_tensors(path, written);
    const auto read = load_tensors(path);
    ASSERT_EQ(read.size(), written.size());
    for (const auto& [name, tensor] : written) {
        EXPECT_EQ(read.at(name).scalar_type(), tensor.scalar_type()) << name;
        EXPECT_TRUE(read.at(name).equal(tensor)) << name;
    }
    EXPECT_EQ(SafetensorsFile(path).metadata().at("format"), "pt");
}

TEST(TensorFiles, FloatsAreConvertedOnDemandAndIntegersLeftAlone) {
    const TemporaryFolder folder;
    const auto path = folder / "model.safetensors";
    const at::Tensor values = at::linspace(-3, 3, 50, at::kFloat);
    save_tensors(
        path, {{"half", values.to(at::kHalf)}, {"brain", values.to(at::kBFloat16)}, {"ids", at::arange(3)}});
    const auto read = load_tensors(path, at::kFloat);
    EXPECT_EQ(read.at("half").scalar_type(), at::kFloat);
    EXPECT_TRUE(read.at("half").equal(values.to(at::kHalf).to(at::kFloat)));
    EXPECT_TRUE(read.at("brain").equal(values.to(at::kBFloat16).to(at::kFloat)));
    EXPECT_TRUE(read.at("ids").equal(at::arange(3)));
}

TEST(TensorFiles, ViewsAreWrittenAsTheyRead) {
    const TemporaryFolder folder;
    const auto path = folder / "model.safetensors";
    const at::Tensor whole = at::arange(12, at::kFloat).view({3, 4}).requires_grad_();
    save_tensors(path, {{"turned", whole.t()}, {"middle", whole.narrow(0, 1, 1)}});
    const auto read = load_tensors(path);
    EXPECT_TRUE(read.at("turned").equal(whole.t()));
    EXPECT_TRUE(read.at("middle").equal(whole.narrow(0, 1, 1)));
    EXPECT_FALSE(read.at("turned").requires_grad());
}

TEST(TensorFiles, LoadedTensorsOutliveTheFile) {
    const TemporaryFolder folder;
    const auto path = folder / "model.safetensors";
    save_tensors(path, {{"x", at::ones({100})}});
    const at::Tensor x = load_tensors(path).at("x");
    std::filesystem::remove(path);
    EXPECT_EQ(x.sum().item<float>(), 100);
}

TEST(TensorFiles, WhatFilesCannotHoldIsABrokenContract) {
    EXPECT_THROW(dtype_of(at::kComplexFloat), std::logic_error);
}

TEST(TensorFiles, ABrokenFileIsAnErrorThatNamesIt) {
    const TemporaryFolder folder;
    const auto path = folder / "model.safetensors";
    BV_EXPECT_ERROR(load_tensors(path), path.string());
    write_file(path, "short");
    BV_EXPECT_ERROR(load_tensors(path), path.string(), "truncated");
}

}  // namespace
}  // namespace bv
