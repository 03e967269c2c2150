#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "core/error.hpp"
#include "helpers/blank_features.hpp"
#include "squad/features/features_file.hpp"
#include "states/state_source.hpp"
#include "states/task_states.hpp"
#include "store/store_writer.hpp"

namespace bv {
namespace {

/// Features of 1 to 9 tokens without text.
Features some_features() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t f = 0; f < 33; ++f) lengths.push_back(1 + (f * 5) % 9);
    return blank_features(lengths);
}

/// The value of every element tells its state, feature, row within the feature, and column.
float value_of(std::int64_t state, std::int64_t feature, std::int64_t row, std::int64_t column) {
    return static_cast<float>(state * 10000 + feature * 100 + row * 10 + column);
}

class StoreSourceTest : public testing::TestWithParam<Task> {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "source_XXXXXX";
        if (ranks_.is_root()) {
            ASSERT_NE(::mkdtemp(name.data()), nullptr);
        }
        path_ = std::filesystem::path(ranks_.broadcast(name)) / "store.h5";
        info_ = {.task = GetParam(),
                 .dtype = DType::f32,
                 .layers = {0, 2, 5},
                 .hidden_size = 3,
                 .features = features_.fingerprint(),
                 .batch_tokens = 4096};
        const StoreLayout layout = lay_out_states(info_, 6, features_, 1000);
        std::optional<OutputLock> lock;
        if (ranks_.is_root()) lock.emplace(OutputLock::of_file(path_));
        StoreWriter writer(ranks_, std::move(lock), path_, info_, layout, false,
                           [&](h5::Group& root) { write_features_table(root, features_); });
        for (std::int64_t b = ranks_.rank(); b < layout.blocks(); b += ranks_.size()) {
            std::vector<float> block;
            for (std::int64_t s = 0; s < info_.states(); ++s) {
                for (std::int64_t i = 0; i < layout.positions_of(b); ++i) {
                    const std::int64_t position = layout.first_position(b) + i;
                    for (std::int64_t row = 0; row < layout.rows_at(position); ++row) {
                        for (std::int64_t c = 0; c < 3; ++c) {
                            block.push_back(
                                value_of(s, layout.original[static_cast<std::size_t>(position)], row, c));
                        }
                    }
                }
            }
            writer.write_block(b, block.data());
        }
        writer.close();
        ranks_.barrier();
    }
    void TearDown() override {
        ranks_.barrier();
        if (ranks_.is_root()) std::filesystem::remove_all(path_.parent_path());
    }

    /// Whether a batch holds the states `expected` of the store for the features `which`.
    void expect_states(const StateBatch& batch, const std::vector<std::int64_t>& which,
                       const std::vector<std::int64_t>& expected) {
        ASSERT_EQ(batch.packed->examples, which);
        ASSERT_EQ(batch.states.size(0), static_cast<std::int64_t>(expected.size()));
        for (std::size_t s = 0; s < expected.size(); ++s) {
            for (std::size_t b = 0; b < which.size(); ++b) {
                for (std::int64_t row = batch.packed->starts[b]; row < batch.packed->starts[b + 1]; ++row) {
                    for (std::int64_t c = 0; c < 3; ++c) {
                        ASSERT_EQ(batch.states[static_cast<std::int64_t>(s)][row][c].item<float>(),
                                  value_of(expected[s], which[b], row - batch.packed->starts[b], c));
                    }
                }
            }
        }
    }

    Communicator ranks_;
    Features features_ = some_features();
    StoreInfo info_;
    std::filesystem::path path_;
};

TEST_P(StoreSourceTest, GivesTheStatesOfAnyFeaturesInAnyOrderFromDiskAndFromMemory) {
    const bool span = GetParam() == Task::span;
    for (const double cache : {0.0, 1.0}) {
        const auto source = open_store(path_, cache);
        EXPECT_GT(source->layout().blocks(), 1);
        const FeatureBatches batches{{4, 31, 5}, {}, {0}, {32, 1, 2, 3, 20}};
        const auto found = source->read(batches);
        ASSERT_EQ(found.size(), 4u);
        EXPECT_EQ(found[1].sequences(), 0);
        for (const std::size_t i : {0U, 2U, 3U}) {
            expect_states(found[i], batches[i],
                          span ? std::vector<std::int64_t>{0, 1, 2} : std::vector<std::int64_t>{0, 1, 2, 3});
        }
    }
}

TEST_P(StoreSourceTest, GivesTheWantedLayersAndThePooledOutput) {
    const bool span = GetParam() == Task::span;
    for (const double cache : {0.0, 1.0}) {
        const auto source = open_store(path_, cache, std::vector<std::int64_t>{2, 5});
        EXPECT_EQ(source->info().layers, (std::vector<std::int64_t>{2, 5}));
        expect_states(source->read({{9, 3}}).front(), {9, 3},
                      span ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{0, 2, 3});
    }
    EXPECT_THAT([&] { open_store(path_, 0, std::vector<std::int64_t>{1}); },
                testing::ThrowsMessage<Error>(
                    testing::AllOf(testing::HasSubstr("layer 1"), testing::HasSubstr("0, 2, 5"))));
}

INSTANTIATE_TEST_SUITE_P(Tasks, StoreSourceTest, testing::Values(Task::span, Task::classification));

}  // namespace
}  // namespace bv
