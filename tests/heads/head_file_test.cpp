#include "heads/head_file.hpp"

#include <cmath>
#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <unistd.h>

#include "core/error.hpp"
#include "helpers/random_states.hpp"
#include "io/files.hpp"
#include "io/json.hpp"

namespace bv {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class HeadFile : public testing::Test {
  protected:
    ~HeadFile() override { std::filesystem::remove_all(folder_); }

    void change_description(const std::function<void(nlohmann::json&)>& change) const {
        nlohmann::json json = read_json(folder_ / "head.json");
        change(json);
        write_file(folder_ / "head.json", json.dump());
    }

    const std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("bv_head_file_" + std::to_string(getpid()));
    const HeadOrigin origin_{"abc", "3/10", {0, 2, 5}, "def", 9,  8, 0.05,
                             "ghi", 0.3,    true,      1e-3,  16, 2, true};
    const Head head_{find_head("learned_pooling_adapter_386"), 3, 8, {4}};
};

TEST_F(HeadFile, HoldsAllThatTheHeadIsAndCameFrom) {
    save_head(folder_, head_, 0, origin_);
    const TrainedHead loaded = load_head(folder_);
    const StateBatch batch = random_states(3, 8, {4, 7});
    EXPECT_TRUE(loaded.head.forward(batch).equal(head_.forward(batch)));
    EXPECT_EQ(loaded.head.definition().text, head_.definition().text);
    EXPECT_EQ(loaded.origin.checkpoint, "abc");
    EXPECT_EQ(loaded.origin.epoch, "3/10");
    EXPECT_EQ(loaded.origin.layers, origin_.layers);
    EXPECT_EQ(loaded.origin.features, "def");
    EXPECT_EQ(loaded.origin.seed, 9U);
    EXPECT_EQ(loaded.origin.data_seed, 8U);
    EXPECT_EQ(loaded.origin.held_out, 0.05);
    EXPECT_EQ(loaded.origin.held_out_features, "ghi");
    EXPECT_EQ(loaded.origin.share, 0.3);
    EXPECT_TRUE(loaded.origin.shuffled_labels);
    EXPECT_EQ(loaded.origin.learning_rate, 1e-3);
    EXPECT_EQ(loaded.origin.batch, 16);
    EXPECT_EQ(loaded.origin.epochs, 2);
    EXPECT_TRUE(loaded.origin.other_checkpoint);
}

TEST_F(HeadFile, HoldsTheOneOfSeveralHeadsThatIsAskedFor) {
    const Head several(find_head("learned_pooling_adapter_386"), 3, 8, {3, 4});
    save_head(folder_, several, 1, origin_);
    const StateBatch batch = random_states(3, 8, {4, 7});
    EXPECT_TRUE(load_head(folder_).head.forward(batch).equal(head_.forward(batch)));
}

TEST_F(HeadFile, HoldsRunningStatistics) {
    const Head trained(find_head("xception_abbreviated"), 3, 32, {4});
    const StateBatch batch = random_states(3, 32, {1, 1, 1});
    const at::Tensor untrained = trained.forward(batch);
    trained.forward(batch, 0);
    EXPECT_FALSE(trained.forward(batch).equal(untrained));
    save_head(folder_, trained, 0, origin_);
    EXPECT_TRUE(load_head(folder_).head.forward(batch).equal(trained.forward(batch)));
}

TEST_F(HeadFile, ThatIsMissingOrBrokenIsNamed) {
    EXPECT_THAT([&] { load_head(folder_); }, testing::ThrowsMessage<Error>(HasSubstr("head.json")));
    save_head(folder_, head_, 0, origin_);
    write_file(folder_ / "head.json", "{\"version\": 2, ");
    EXPECT_THAT([&] { load_head(folder_); }, testing::ThrowsMessage<Error>(HasSubstr("line 1")));
    write_file(folder_ / "head.json", "{\"version\": 2}");
    EXPECT_THAT([&] { load_head(folder_); }, testing::ThrowsMessage<Error>(HasSubstr("'states' is missing")));
}

TEST_F(HeadFile, OfAnotherVersionIsRefusedByName) {
    save_head(folder_, head_, 0, origin_);
    change_description([](auto& json) {
        json["version"] = 9;
        json.erase("seal");
    });
    EXPECT_THAT([&] { load_head(folder_); },
                testing::ThrowsMessage<Error>(AllOf(HasSubstr((folder_ / "head.json").string()),
                                                    HasSubstr("version 9"), HasSubstr("reads version 2"))));
}

TEST_F(HeadFile, WithAChangedDescriptionIsRefused) {
    save_head(folder_, head_, 0, origin_);
    change_description([](auto& json) { json["epoch"] = "1"; });
    EXPECT_THAT([&] { load_head(folder_); },
                testing::ThrowsMessage<Error>(AllOf(HasSubstr("head.json"), HasSubstr("'seal'"))));
}

TEST_F(HeadFile, WithAValueThatIsNotFiniteIsRefused) {
    const Head diverged(find_head("learned_pooling"), 3, 32, {4});
    const NamedTensor& last = diverged.parameters().back();
    last.tensor.detach().view(-1)[0] = HUGE_VALF;
    save_head(folder_, diverged, 0, origin_);
    EXPECT_THAT([&] { load_head(folder_); }, testing::ThrowsMessage<Error>(HasSubstr(last.name)));
}

TEST_F(HeadFile, OfAnotherShapeIsRefused) {
    save_head(folder_, Head(find_head("learned_pooling_adapter_386"), 3, 12, {4}), 0, origin_);
    const std::string other = read_file(folder_ / "head.safetensors");
    save_head(folder_, head_, 0, origin_);
    write_file(folder_ / "head.safetensors", other);
    EXPECT_THAT([&] { load_head(folder_); },
                testing::ThrowsMessage<Error>(AllOf(HasSubstr("head.safetensors"), HasSubstr("damaged"))));
    change_description([this](auto& json) {
        json["tensors"] = head_fingerprint(folder_);
        json.erase("seal");
    });
    EXPECT_THAT([&] { load_head(folder_); }, testing::ThrowsMessage<Error>(HasSubstr("1.adapter.weight")));
}

}  // namespace
}  // namespace bv
