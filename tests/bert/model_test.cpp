#include "bert/model.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/error.hpp"
#include "core/files.hpp"
#include "small_batch.hpp"

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
        const at::Tensor own = logits.narrow(0, batch.starts[b], batch.starts[b + 1] - batch.starts[b]);
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
    const Model again = Model::load(folder, Task::span, 99);
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        EXPECT_TRUE(at::equal(model.parameters()[i].tensor, again.parameters()[i].tensor));
    }
    // The other task's head is new, and drawn from the seed alone.
    const Model other = Model::load(folder, Task::classification, 99);
    EXPECT_TRUE(at::equal(other.parameters()[0].tensor, model.parameters()[0].tensor));
    EXPECT_TRUE(at::equal(other.parameters().end()[-2].tensor,
                          Model::load(folder, Task::classification, 99).parameters().end()[-2].tensor));
    std::filesystem::remove_all(folder);
}

TEST(Model, ATruncatedFileAndAnotherShapeAreNamed) {
    const std::filesystem::path folder = testing::TempDir() + "model_error_test";
    std::filesystem::create_directories(folder);
    Model(small_config(), Task::span, 3).save(folder);
    const auto complaint = [&] {
        try {
            Model::load(folder, Task::span, 1);
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

}  // namespace
}  // namespace bv
