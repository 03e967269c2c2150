#include "optim/checkpoint.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

CheckpointInfo info() {
    CheckpointInfo made;
    made.epoch = EpochFraction(3, 10);
    made.step = 31;
    made.steps_per_epoch = 101;
    made.seed = 18446744073709551615ULL;
    made.task = Task::span;
    made.data_fingerprint = "d";
    made.started_from = "s";
    made.config = "[finetune]\nmodel = \"m\"\n";
    made.precision = "bfloat16";
    return made;
}

std::string write_model(const fs::path& folder, const std::string& weights = "weights") {
    write_file(folder / "model.safetensors", weights);
    write_file(folder / "config.json", "{}");
    return fingerprint(weights);
}

class CheckpointTest : public testing::Test {
  protected:
    CheckpointInfo write(const std::string& weights = "weights") {
        return write_checkpoint(folder_, info(),
                                [&](const fs::path& path) { return write_model(path, weights); });
    }

    /// What stands beside the checkpoint, itself included.
    std::vector<std::string> neighbours() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(parent_.path() / "checkpoints")) {
            names.push_back(entry.path().filename());
        }
        return names;
    }

    /// Changes checkpoint.json by `edit`, as whoever deletes the seal, and expects it to be refused, naming
    /// the file and `parts`.
    void expect_refused(const std::function<void(nlohmann::json&)>& edit,
                        std::initializer_list<std::string> parts) {
        write();
        auto json = nlohmann::json::parse(read_file(marker_));
        json.erase("seal");
        edit(json);
        write_file(marker_, json.dump());
        expect_error([&] { read_checkpoint(folder_); }, parts);
        expect_error([&] { read_checkpoint(folder_); }, {marker_.string()});
    }

    TemporaryFolder parent_;
    fs::path folder_ = parent_ / "checkpoints/epoch-0.3";
    fs::path marker_ = folder_ / "checkpoint.json";
};

TEST_F(CheckpointTest, WhatIsWrittenReadsBack) {
    const CheckpointInfo written = write();
    EXPECT_TRUE(is_whole(folder_));
    const auto read = read_checkpoint(folder_);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->epoch, EpochFraction(3, 10));
    EXPECT_EQ(read->step, 31);
    EXPECT_EQ(read->steps_per_epoch, 101);
    EXPECT_EQ(read->seed, info().seed);
    EXPECT_EQ(read->task, Task::span);
    EXPECT_EQ(read->data_fingerprint, "d");
    EXPECT_EQ(read->started_from, "s");
    EXPECT_EQ(read->config, info().config);
    EXPECT_EQ(read->precision, "bfloat16");
    EXPECT_EQ(read->model_fingerprint, fingerprint("weights"));
    EXPECT_EQ(written.model_fingerprint, fingerprint("weights"));
    EXPECT_EQ(read_file(folder_ / "model.safetensors"), "weights");
    EXPECT_THAT(neighbours(), testing::ElementsAre("epoch-0.3"));
}

TEST_F(CheckpointTest, SaysWhatMadeItUnderTheSealAndInNoFingerprint) {
    CheckpointInfo about = info();
    about.made = {{"program", "bv_finetune"}, {"time", "2026-01-31T12:00:00Z"}};
    const auto weights = [](const fs::path& path) { return write_model(path); };
    const CheckpointInfo written = write_checkpoint(folder_, about, weights);
    auto json = nlohmann::json::parse(read_file(marker_));
    EXPECT_EQ(json.at("made"), about.made);
    EXPECT_TRUE(read_checkpoint(folder_).has_value());
    json["made"]["time"] = "2026-01-31T12:00:01Z";
    write_file(marker_, json.dump());
    BV_EXPECT_ERROR(read_checkpoint(folder_), "checkpoint.json", "damaged");
    EXPECT_EQ(write().model_fingerprint, written.model_fingerprint);
}

TEST_F(CheckpointTest, ATrailingSlashNamesTheSameFolder) {
    folder_ += "/";
    write();
    EXPECT_TRUE(is_whole(folder_));
    EXPECT_THAT(neighbours(), testing::ElementsAre("epoch-0.3"));
}

TEST_F(CheckpointTest, UntilTheModelIsWholeThereIsNoCheckpoint) {
    write_checkpoint(folder_, info(), [&](const fs::path& path) {
        EXPECT_EQ(path.filename(), "epoch-0.3.partial");
        EXPECT_FALSE(fs::exists(folder_));
        const std::string written = write_model(path);
        EXPECT_FALSE(is_whole(folder_));
        EXPECT_FALSE(is_whole(path));
        return written;
    });
    EXPECT_TRUE(is_whole(folder_));
}

TEST_F(CheckpointTest, AFailingModelLeavesNothingAndTheNextWriteSucceeds) {
    EXPECT_THROW(write_checkpoint(folder_, info(),
                                  [](const fs::path& path) -> std::string {
                                      write_model(path);
                                      throw std::runtime_error("killed");
                                  }),
                 std::runtime_error);
    EXPECT_THAT(neighbours(), testing::IsEmpty());
    write();
    EXPECT_TRUE(is_whole(folder_));
}

TEST_F(CheckpointTest, AFailingModelLeavesTheOlderCheckpointWhole) {
    write("old");
    EXPECT_THROW(write_checkpoint(folder_, info(),
                                  [](const fs::path&) -> std::string { throw std::runtime_error("killed"); }),
                 std::runtime_error);
    ASSERT_TRUE(is_whole(folder_));
    EXPECT_EQ(read_checkpoint(folder_)->model_fingerprint, fingerprint("old"));
}

TEST_F(CheckpointTest, WhatAKilledRunLeftIsNotWholeAndIsReplaced) {
    // Killed while the model was written, and between the rename and the marker.
    write_file(folder_.string() + ".partial/stale", "x");
    write_model(folder_, "unmarked");
    EXPECT_FALSE(is_whole(folder_));
    EXPECT_FALSE(read_checkpoint(folder_).has_value());
    write("new");
    EXPECT_EQ(read_checkpoint(folder_)->model_fingerprint, fingerprint("new"));
    EXPECT_FALSE(fs::exists(folder_ / "stale"));
    EXPECT_THAT(neighbours(), testing::ElementsAre("epoch-0.3"));
}

TEST_F(CheckpointTest, AWholeCheckpointIsReplacedByANewerOne) {
    write("old");
    write("new");
    EXPECT_EQ(read_checkpoint(folder_)->model_fingerprint, fingerprint("new"));
    EXPECT_EQ(read_file(folder_ / "model.safetensors"), "new");
}

TEST_F(CheckpointTest, TheWeightsAreNotReadAgainForTheirFingerprint) {
    const auto unreadable = [](const fs::path& path) {
        fs::create_directory(path / "model.safetensors");
        return std::string("as written");
    };
    EXPECT_EQ(write_checkpoint(folder_, info(), unreadable).model_fingerprint, "as written");
    EXPECT_EQ(read_checkpoint(folder_)->model_fingerprint, "as written");
}

TEST_F(CheckpointTest, AFullDiskIsAnErrorThatNamesThePathAndLeavesNothing) {
    const auto full = [](const fs::path& path) {
        fs::create_symlink("/dev/full", path / "model.safetensors.partial");
        return write_model(path);
    };
    BV_EXPECT_ERROR(write_checkpoint(folder_, info(), full), "model.safetensors", "No space left on device");
    EXPECT_THAT(neighbours(), testing::IsEmpty());
}

TEST_F(CheckpointTest, AFolderOfOtherMakingHasNoInfo) {
    write_model(folder_);
    EXPECT_FALSE(read_checkpoint(folder_).has_value());
    BV_EXPECT_ERROR(read_checkpoint(parent_ / "absent"), (parent_ / "absent").string());
}

TEST_F(CheckpointTest, WithoutItsWeightsItIsNotThere) {
    write();
    fs::remove(folder_ / "model.safetensors");
    EXPECT_FALSE(is_whole(folder_));
}

TEST_F(CheckpointTest, EveryMissingKeyIsNamed) {
    for (const char* key : {"format", "epoch", "step", "steps_per_epoch", "seed", "task", "data_fingerprint",
                            "model_fingerprint", "started_from", "config", "precision"}) {
        expect_refused([&](auto& json) { json.erase(key); }, {std::string("'") + key + "'", "missing"});
    }
}

TEST_F(CheckpointTest, EveryWrongValueIsNamed) {
    expect_refused([](auto& json) { json["epoch"] = 0.3; }, {"'epoch'", "0.3", "a string"});
    expect_refused([](auto& json) { json["epoch"] = "soon"; }, {"'epoch'", "'soon'"});
    expect_refused([](auto& json) { json["step"] = -1; }, {"'step'", "-1"});
    expect_refused([](auto& json) { json["step"] = 1.5; }, {"'step'", "1.5"});
    expect_refused([](auto& json) { json["seed"] = "7"; }, {"'seed'", "\"7\""});
    expect_refused([](auto& json) { json["task"] = 1; }, {"'task'"});
    expect_refused([](auto& json) { json["task"] = "spam"; }, {"'task'", "\"spam\"", "span, classification"});
    expect_refused([](auto& json) { json["precision"] = 16; }, {"'precision' is 16"});
    expect_refused([](auto& json) { json["format"] = 2; }, {"'format' is 2", "this program reads 1"});
    expect_refused([](auto& json) { json = nlohmann::json::array(); }, {"object"});
}

TEST_F(CheckpointTest, AChangedFileIsRefusedByName) {
    write();
    write_file(folder_ / "config.json", "{ }");
    BV_EXPECT_ERROR(read_checkpoint(folder_), (folder_ / "config.json").string(), "'files'");
    fs::remove(folder_ / "config.json");
    BV_EXPECT_ERROR(read_checkpoint(folder_), (folder_ / "config.json").string());
    write();
    auto json = nlohmann::json::parse(read_file(marker_));
    json["step"] = 32;
    write_file(marker_, json.dump());
    BV_EXPECT_ERROR(read_checkpoint(folder_), marker_.string(), "'seal'");
}

TEST_F(CheckpointTest, OtherWeightsAreRefusedAndWithoutTheMarkerTheyAreTaken) {
    write();
    require_weights(folder_, fingerprint("weights"));
    BV_EXPECT_ERROR(require_weights(folder_, fingerprint("others")), folder_.string(), fingerprint("others"),
                    "delete checkpoint.json");
    fs::remove(marker_);
    require_weights(folder_, fingerprint("others"));
}

TEST_F(CheckpointTest, WithoutSealAndFingerprintsChangedFilesAreTaken) {
    write();
    auto json = nlohmann::json::parse(read_file(marker_));
    json.erase("seal");
    json.erase("files");
    write_file(marker_, json.dump());
    write_file(folder_ / "config.json", "{ }");
    EXPECT_EQ(read_checkpoint(folder_)->step, 31);
}

TEST_F(CheckpointTest, BrokenJsonIsNamedWithItsPlace) {
    write();
    write_file(marker_, "{\n  \"epoch\": \n}");
    BV_EXPECT_ERROR(read_checkpoint(folder_), marker_.string(), "line 3, column 1");
}

}  // namespace
}  // namespace bv
