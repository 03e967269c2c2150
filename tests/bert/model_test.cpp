#include "bert/model.hpp"

#include <cmath>
#include <functional>
#include <map>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/error.hpp"
#include "helpers/small_batch.hpp"
#include "io/files.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

std::vector<Parameter> require_gradients(const Model& model) {
    for (const Parameter& parameter : model.trainable()) parameter.tensor.set_requires_grad(true);
    return model.trainable();
}

TEST(Model, BertLargeWithSpanHeadHas335143938Parameters) {
    BertConfig config;
    config.hidden_size = 1024;
    config.layers = 24;
    config.heads = 16;
    config.intermediate_size = 4096;
    EXPECT_EQ(Model(config, Task::span, 1).parameter_count(), 335143938);
}

TEST(Model, APackedBatchIsItsSequencesOneByOne) {
    const Features features = features_of_lengths({5, 12, 3});
    const at::NoGradGuard no_gradients;
    for (const Task task : {Task::span, Task::classification}) {
        const Model model(small_config(), task, 3);
        const at::Tensor together = model.logits(batch_of(features, {0, 1, 2}));
        std::vector<at::Tensor> alone;
        for (const std::int64_t f : {0, 1, 2}) alone.push_back(model.logits(batch_of(features, {f})));
        EXPECT_TRUE(at::allclose(together, at::cat(alone), 1e-5, 1e-6));
    }
}

TEST(Model, LossIsTheSumOfCrossEntropiesOverRealTokens) {
    const Features features = features_of_lengths({5, 12});
    const Model model(small_config(), Task::span, 3);
    const Batch batch = batch_of(features, {0, 1});
    const at::Tensor logits = model.logits(batch).detach();
    double expected = 0;
    for (std::int64_t b = 0; b < 2; ++b) {
        const at::Tensor own = logits.narrow(0, batch.packed->starts[b], batch.packed->rows_of(b));
        const at::Tensor log = own.log_softmax(0);
        expected -=
            log[features.start_label[b]][0].item<double>() + log[features.end_label[b]][1].item<double>();
    }
    EXPECT_NEAR(model.loss(batch, logits).item<double>(), expected, 1e-5);
}

TEST(Model, GradientsOfSharesAddUpToThoseOfTheBatchWithDropout) {
    const Features features = features_of_lengths({5, 12, 3, 8});
    const DropoutKey key{4, 19};
    for (const Task task : {Task::span, Task::classification}) {
        const auto gradients_of = [&](const std::vector<std::vector<std::int64_t>>& shares) {
            const Model model(small_config(), task, 3);
            const auto parameters = require_gradients(model);
            for (const auto& share : shares) {
                const Batch batch = batch_of(features, share);
                model.loss(batch, model.logits(batch, &key)).backward();
            }
            std::vector<at::Tensor> flat;
            for (const Parameter& parameter : parameters) flat.push_back(parameter.tensor.grad().flatten());
            return at::cat(flat);
        };
        const at::Tensor whole = gradients_of({{0, 1, 2, 3}});
        EXPECT_TRUE(at::allclose(whole, gradients_of({{2, 0}, {3, 1}}), 1e-4, 1e-5));
    }
}

TEST(Model, GradientCheckpointingGivesTheSameBits) {
    const Features features = features_of_lengths({5, 12, 3, 8});
    const Batch batch = batch_of(features, {0, 1, 2, 3});
    const DropoutKey key{4, 19};
    for (const at::ScalarType precision : {at::kFloat, at::kBFloat16}) {
        const auto loss_and_gradients = [&](bool recompute) {
            Model model(small_config(), Task::span, 3);
            model.to(at::kCPU, precision);
            model.recompute_layers(recompute);
            std::vector<at::Tensor> found;
            const auto parameters = require_gradients(model);
            found.push_back(model.loss(batch, model.logits(batch, &key)));
            found.back().backward();
            for (const Parameter& parameter : parameters) found.push_back(parameter.tensor.grad());
            return found;
        };
        const auto kept = loss_and_gradients(false);
        const auto recomputed = loss_and_gradients(true);
        for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i], recomputed[i])) << i;
    }
}

TEST(Model, FrozenMakesTheSameStates) {
    const Features features = features_of_lengths({15, 22, 9});
    const Batch batch = batch_of(features, {0, 1, 2});
    const at::NoGradGuard no_gradients;
    for (const at::ScalarType precision : {at::kFloat, at::kBFloat16}) {
        Model model(small_config(), Task::span, 3);
        model.to(at::kCPU, precision);
        const at::Tensor thawed = at::stack(model.states(batch));
        model.freeze();
        const at::Tensor frozen = at::stack(model.states(batch));
        EXPECT_TRUE(at::equal(thawed[0], frozen[0]));
        const double rounding = precision == at::kFloat ? 0 : 0.03;
        EXPECT_TRUE(at::allclose(thawed, frozen, 0, rounding))
            << precision << " " << (thawed - frozen).abs().max().item<double>();
        if (precision == at::kFloat) continue;
        // Products read the rounded copy.
        for (const Parameter& parameter : model.parameters()) {
            if (parameter.names[0].find("dense.weight") != std::string::npos) parameter.tensor.zero_();
        }
        EXPECT_TRUE(at::equal(frozen, at::stack(model.states(batch))));
    }
}

TEST(Model, Bfloat16ProductsChangeLossAndGradientsByTheirRoundingAlone) {
    const Features features = features_of_lengths({15, 22, 9});
    const Batch batch = batch_of(features, {0, 1, 2});
    const DropoutKey key{4, 19};
    const auto loss_and_gradients = [&](Model model) {
        const auto parameters = require_gradients(model);
        const at::Tensor loss = model.loss(batch, model.logits(batch, &key));
        loss.backward();
        std::vector<at::Tensor> gradients;
        for (const Parameter& parameter : parameters) gradients.push_back(parameter.tensor.grad().flatten());
        EXPECT_EQ(gradients.front().scalar_type(), at::kFloat);
        return std::pair(loss.item<double>(), at::cat(gradients));
    };
    const auto [loss, gradients] = loss_and_gradients(Model(small_config(), Task::span, 3));
    Model rounded(small_config(), Task::span, 3);
    rounded.to(at::kCPU, at::kBFloat16);
    const auto [rounded_loss, rounded_gradients] = loss_and_gradients(std::move(rounded));
    EXPECT_NE(rounded_loss, loss);
    EXPECT_NEAR(rounded_loss, loss, 0.02 * loss);
    EXPECT_LT((rounded_gradients - gradients).norm().item<double>(), 0.03 * gradients.norm().item<double>());
}

TEST(Model, EveryTrainedParameterGetsAGradientAndOnlyThose) {
    const Features features = features_of_lengths({5, 12});
    for (const Task task : {Task::span, Task::classification}) {
        const Model model(small_config(), task, 3);
        for (const Parameter& parameter : model.parameters()) parameter.tensor.set_requires_grad(true);
        const Batch batch = batch_of(features, {0, 1});
        model.loss(batch, model.logits(batch)).backward();
        std::size_t with_gradient = 0;
        for (const Parameter& parameter : model.parameters())
            with_gradient += parameter.tensor.grad().defined() ? 1 : 0;
        EXPECT_EQ(with_gradient, model.trainable().size());
    }
}

TEST(Model, SavesAndLoadsTheSameWeights) {
    const std::filesystem::path folder = testing::TempDir() + "model_test";
    std::filesystem::create_directories(folder);
    const Model model(small_config(), Task::span, 3);
    model.save(folder);
    const Model again = Model::load(folder, Task::span, Use::tuning, 99);
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        EXPECT_TRUE(at::equal(model.parameters()[i].tensor, again.parameters()[i].tensor));
    }
    // The other task's head is new, and drawn from the seed alone.
    const Model other = Model::load(folder, Task::classification, Use::tuning, 99);
    EXPECT_TRUE(at::equal(other.parameters()[0].tensor, model.parameters()[0].tensor));
    EXPECT_TRUE(
        at::equal(other.parameters().end()[-2].tensor,
                  Model::load(folder, Task::classification, Use::tuning, 99).parameters().end()[-2].tensor));
    std::filesystem::remove_all(folder);
}

TEST(Model, ATruncatedFileAndAnotherShapeAreNamed) {
    const std::filesystem::path folder = testing::TempDir() + "model_error_test";
    std::filesystem::create_directories(folder);
    Model(small_config(), Task::span, 3).save(folder);
    const auto complaint = [&] {
        try {
            Model::load(folder, Task::span, Use::tuning, 1);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const std::string weights = read_file(folder / "model.safetensors");
    write_file(folder / "model.safetensors", weights.substr(0, weights.size() - 100));
    EXPECT_THAT(complaint(), testing::HasSubstr("truncated"));
    write_file(folder / "model.safetensors", weights);
    BertConfig wider = small_config();
    wider.intermediate_size = 48;
    std::filesystem::create_directories(folder / "wide");
    Model(wider, Task::span, 3).save(folder / "wide");
    std::filesystem::copy_file(folder / "wide" / "config.json", folder / "config.json",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_THAT(complaint(),
                testing::AllOf(testing::HasSubstr("intermediate.dense"), testing::HasSubstr("(48, 24)")));
    std::filesystem::remove_all(folder);
}

/// Folders that hold a part of a model, or something else in its place.
class ModelFolder : public testing::Test {
  protected:
    void SetUp() override { std::filesystem::create_directories(folder_); }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// A span model's folder with its tensors as `change` leaves them.
    void write(const std::function<void(std::map<std::string, at::Tensor>&)>& change) const {
        Model(small_config(), Task::span, 3).save(folder_);
        auto tensors = load_tensors(folder_ / "model.safetensors");
        change(tensors);
        save_tensors(folder_ / "model.safetensors", tensors);
    }

    /// What is wrong with the folder; "" where nothing is.
    std::string complaint(Task task, Use use) const {
        try {
            Model::load(folder_, task, use);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

    std::filesystem::path folder_ = testing::TempDir() + "model_folder_test";
};

using testing::AllOf;
using testing::HasSubstr;

TEST_F(ModelFolder, PromisesNoLargerModelThanItHolds) {
    write([](auto&) {});
    BertConfig huge = small_config();
    huge.vocabulary = 1'000'000;  // taken before the weights are read, this would be all memory
    huge.layers = 1'000'000;
    write_file(folder_ / "config.json", to_json(huge, "").dump());
    EXPECT_THAT(complaint(Task::span, Use::states),
                AllOf(HasSubstr(folder_), HasSubstr("its weights have only")));
}

TEST_F(ModelFolder, WithoutAHeadMakesStatesAndNoLogits) {
    write([](auto& tensors) {
        tensors.erase("qa_outputs.weight");
        tensors.erase("qa_outputs.bias");
    });
    EXPECT_EQ(complaint(Task::span, Use::states), "");
    EXPECT_EQ(complaint(Task::classification, Use::states), "");
    EXPECT_THAT(complaint(Task::span, Use::logits),
                AllOf(HasSubstr("holds no qa_outputs.weight, qa_outputs.bias"), HasSubstr("--task span")));
    EXPECT_THAT(complaint(Task::classification, Use::logits), HasSubstr("classifier.weight"));
    EXPECT_THAT(Model::load(folder_, Task::span, Use::tuning).drawn(),
                testing::ElementsAre("qa_outputs.weight", "qa_outputs.bias"));
}

TEST_F(ModelFolder, WithoutAPoolerServesTheSpanTaskAlone) {
    write([](auto& tensors) {
        tensors.erase("bert.pooler.dense.weight");
        tensors.erase("bert.pooler.dense.bias");
    });
    for (const Use use : {Use::tuning, Use::states, Use::logits}) EXPECT_EQ(complaint(Task::span, use), "");
    EXPECT_THAT(complaint(Task::classification, Use::states),
                HasSubstr("holds no pooler.dense.weight, pooler.dense.bias"));
    EXPECT_THAT(Model::load(folder_, Task::classification, Use::tuning).drawn(),
                testing::ElementsAre("pooler.dense.weight", "pooler.dense.bias", "classifier.weight",
                                     "classifier.bias"));
    // What the span task does not use is not made up, either: nobody could tell it from a trained one.
    const Model span = Model::load(folder_, Task::span, Use::tuning);
    EXPECT_TRUE(span.drawn().empty());
    span.save(folder_);
    EXPECT_FALSE(load_tensors(folder_ / "model.safetensors").contains("bert.pooler.dense.weight"));
}

TEST_F(ModelFolder, WithHalfAHeadOrAnotherShapeIsRefusedWhereTheHeadIsNeeded) {
    write([](auto& tensors) { tensors.erase("qa_outputs.bias"); });
    for (const Use use : {Use::tuning, Use::logits}) {
        EXPECT_THAT(complaint(Task::span, use), HasSubstr("qa_outputs.bias is missing"));
    }
    EXPECT_EQ(complaint(Task::span, Use::states), "");
    write([](auto& tensors) {
        tensors["qa_outputs.weight"] = at::zeros({3, 24});
        tensors["qa_outputs.bias"] = at::zeros({3});
    });
    for (const Use use : {Use::tuning, Use::logits}) {
        EXPECT_THAT(complaint(Task::span, use),
                    AllOf(HasSubstr("qa_outputs.weight"), HasSubstr("(3, 24)"), HasSubstr("(2, 24)")));
    }
    EXPECT_EQ(complaint(Task::span, Use::states), "");
    write([](auto& tensors) { tensors.erase("bert.pooler.dense.bias"); });
    EXPECT_THAT(complaint(Task::classification, Use::states), HasSubstr("pooler.dense.bias is missing"));
}

TEST_F(ModelFolder, WithTwoTensorsOfOneNameIsRefused) {
    const std::string name = "encoder.layer.1.output.LayerNorm.";
    const std::string one = "bert." + name + "weight";
    for (const std::string& other : {name + "weight", "bert." + name + "gamma"}) {
        write([&](auto& tensors) { tensors[other] = at::zeros_like(tensors.at(one)); });
        EXPECT_THAT(complaint(Task::span, Use::states),
                    AllOf(HasSubstr("twice"), HasSubstr("'" + other + "'"), HasSubstr("'" + one + "'")));
    }
}

TEST_F(ModelFolder, WithValuesThatAreNotFiniteIsRefusedWhereTheyAreUsed) {
    const std::string layer = "bert.encoder.layer.1.attention.self.value.weight";
    for (const float value : {std::nanf(""), -HUGE_VALF}) {
        write([&](auto& tensors) { tensors[layer][23][5] = value; });
        for (const Task task : {Task::span, Task::classification}) {
            for (const Use use : {Use::tuning, Use::states, Use::logits}) {
                if (task == Task::classification && use == Use::logits) continue;  // it has no head
                EXPECT_THAT(complaint(task, use), AllOf(HasSubstr("model.safetensors"), HasSubstr(layer)));
            }
        }
    }
    write([](auto& tensors) { tensors["bert.pooler.dense.bias"][7] = std::nanf(""); });
    for (const Use use : {Use::tuning, Use::states, Use::logits}) EXPECT_EQ(complaint(Task::span, use), "");
    EXPECT_THAT(complaint(Task::classification, Use::states), HasSubstr("pooler.dense.bias"));
    write([](auto& tensors) { tensors["qa_outputs.weight"][1][7] = HUGE_VALF; });
    EXPECT_THAT(complaint(Task::span, Use::logits), HasSubstr("qa_outputs.weight"));
    EXPECT_EQ(complaint(Task::span, Use::states), "");
    // Finite in its file, not so in float32.
    write([](auto& tensors) { tensors["qa_outputs.bias"] = at::full({2}, 1e300, at::kDouble); });
    EXPECT_THAT(complaint(Task::span, Use::tuning), HasSubstr("qa_outputs.bias"));
}

}  // namespace
}  // namespace bv
