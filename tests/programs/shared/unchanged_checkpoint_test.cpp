#include "programs/shared/unchanged_checkpoint.hpp"

#include <filesystem>

#include <gmock/gmock.h>

#include "bert/pretrained.hpp"
#include "helpers/captured_log.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"
#include "optim/checkpoint.hpp"

namespace bv {
namespace {

using testing::HasSubstr;

class RequireUnchangedCheckpoint : public testing::Test {
  protected:
    RequireUnchangedCheckpoint() {
        info_.checkpoint_path = checkpoint_.string();
        info_.checkpoint = "first";
    }

    void write(const std::string& weights) const {
        CheckpointInfo about;
        about.task = Task::span;
        write_checkpoint(checkpoint_, about, [&](const std::filesystem::path& folder) {
            write_file(folder / "model.safetensors", weights);
            return weights;
        });
    }

    TemporaryFolder folder_;
    std::filesystem::path checkpoint_ = folder_ / "epoch-1";
    StoreInfo info_;
};

TEST_F(RequireUnchangedCheckpoint, TakesAStoreWhoseCheckpointIsTheSameOrGone) {
    require_unchanged_checkpoint(info_, "train.h5", false);
    write("first");
    require_unchanged_checkpoint(info_, "train.h5", false);
    std::filesystem::remove_all(checkpoint_);
    require_unchanged_checkpoint(info_, "train.h5", false);
    info_.checkpoint_path = "";
    require_unchanged_checkpoint(info_, "train.h5", false);
}

TEST_F(RequireUnchangedCheckpoint, ReadsTheModelOfAFolderWithoutCheckpointJson) {
    write("first");
    std::filesystem::remove(checkpoint_ / "checkpoint.json");
    BertConfig config;
    const auto configure = [&] {
        write_file(checkpoint_ / "config.json", to_json(config, "BertModel").dump());
    };
    configure();
    BV_EXPECT_ERROR(require_unchanged_checkpoint(info_, "train.h5", false), "it was first and is");
    info_.checkpoint = model_fingerprint(checkpoint_);
    require_unchanged_checkpoint(info_, "train.h5", false);
    config.activation = Activation::relu;  // the same weights are another model then
    configure();
    BV_EXPECT_ERROR(require_unchanged_checkpoint(info_, "train.h5", false), "it was", "and is");
}

TEST_F(RequireUnchangedCheckpoint, RefusesOneWhoseCheckpointHasOtherWeightsUnlessAllowed) {
    write("second");
    BV_EXPECT_ERROR(require_unchanged_checkpoint(info_, "train.h5", false), "train.h5", checkpoint_.string(),
                    "first", "second", "--allow-other-checkpoint");
    const CapturedLog log;
    require_unchanged_checkpoint(info_, "train.h5", true);
    EXPECT_THAT(log.text(), HasSubstr("train.h5 holds states of the checkpoint"));
}

TEST_F(RequireUnchangedCheckpoint, ACheckpointThatCannotBeReadHasChanged) {
    write("first");
    write_file(checkpoint_ / "checkpoint.json", "{");
    BV_EXPECT_ERROR(require_unchanged_checkpoint(info_, "train.h5", false), "checkpoint.json",
                    "--allow-other-checkpoint");
}

}  // namespace
}  // namespace bv
