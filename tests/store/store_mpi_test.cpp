#include <cstring>
#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "comm/communicator.hpp"
#include "helpers/expect_error.hpp"
#include "io/crc32c.hpp"
#include "io/files.hpp"
#include "io/hdf5.hpp"
#include "store/store.hpp"
#include "store/store_writer.hpp"

namespace bv {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kHidden = 8;

StoreInfo some_info(DType dtype = DType::f16, Task task = Task::span) {
    return {.task = task,
            .dtype = dtype,
            .layers = {0, 2, 5},
            .hidden_size = kHidden,
            .checkpoint = "c0ffee",
            .precision = DType::f32,
            .epoch = "3/10",
            .features = "f00d",
            .config = "[extract]\nbatch_tokens = 7\n",
            .checkpoint_path = "model",
            .features_path = "train.h5",
            .batch_tokens = 7};
}

StoreLayout some_layout() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t f = 0; f < 29; ++f) lengths.push_back(1 + f * 5 % 7);
    return lay_out(lengths, 4);
}

// Bytes that tell their place: a function of (state, row, byte).
std::vector<std::uint8_t> fake_rows(const StoreInfo& info, std::int64_t state, std::int64_t first,
                                    std::int64_t rows) {
    std::vector<std::uint8_t> bytes;
    const std::int64_t width = info.row_bytes();
    for (std::int64_t row = first; row < first + rows; ++row) {
        for (std::int64_t i = 0; i < width; ++i) {
            bytes.push_back(static_cast<std::uint8_t>(state * 131 + row * 17 + i * 3));
        }
    }
    return bytes;
}

std::vector<std::uint8_t> fake_block(const StoreInfo& info, const StoreLayout& layout, std::int64_t block) {
    std::vector<std::uint8_t> bytes;
    for (std::int64_t s = 0; s < info.states(); ++s) {
        const auto rows = fake_rows(info, s, layout.first_row(block), layout.rows_of(block));
        bytes.insert(bytes.end(), rows.begin(), rows.end());
    }
    return bytes;
}

/// The rows of the features at `count` positions from `first` on, one after the other, as a reader gets them.
std::vector<std::uint8_t> read_rows(const Store& store, std::int64_t state, std::int64_t first,
                                    std::int64_t count) {
    const StoreLayout& layout = store.layout();
    std::vector<std::uint8_t> bytes;
    for (std::int64_t p = first; p < first + count; ++p) {
        bytes.resize(bytes.size() + static_cast<std::size_t>(layout.rows_at(p) * store.info().row_bytes()));
    }
    std::vector<void*> targets;
    for (std::int64_t p = first; p < first + count; ++p) {
        targets.push_back(bytes.data() +
                          (layout.row_at(p) - layout.row_at(first)) * store.info().row_bytes());
    }
    store.read(state, first, targets);
    return bytes;
}

void write_table(h5::Group& root) {
    root.create_group("features").write("ids", std::vector<std::int32_t>{4, 5, 6});
}

/// All ranks of the job share a folder.
class StoreTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "store_XXXXXX";
        if (ranks_.is_root()) {
            ASSERT_NE(::mkdtemp(name.data()), nullptr);
        }
        folder_ = ranks_.broadcast(name);
        path_ = folder_ / "sub" / "store.h5";
    }
    void TearDown() override {
        ranks_.barrier();
        if (ranks_.is_root()) std::filesystem::remove_all(folder_);
    }

    /// Writes the missing blocks but those from `end` on; every rank its share.
    void write(const StoreInfo& info, bool force = false, std::int64_t end = 1 << 20) {
        StoreWriter writer(ranks_, lock(), path_, info, layout_, force, write_table);
        std::int64_t turn = 0;
        for (const std::int64_t block : writer.missing()) {
            if (block < end && turn++ % ranks_.size() == ranks_.rank()) {
                writer.write_block(block, fake_block(info, layout_, block).data());
            }
        }
        writer.close();
        ranks_.barrier();
    }

    /// Of rank 0.
    std::optional<OutputLock> lock() {
        std::optional<OutputLock> taken;
        ranks_.root_only([&] { taken.emplace(OutputLock::of_file(path_)); });
        return taken;
    }

    std::int64_t size() const { return static_cast<std::int64_t>(std::filesystem::file_size(path_)); }

    void flip(std::int64_t byte) {
        std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(byte);
        const auto old = static_cast<char>(file.get());
        file.seekp(byte);
        file.put(static_cast<char>(old ^ 1));
    }

    /// Damages two blocks of a store, finds and mends them.
    void flip_and_mend(const StoreInfo& info) {
        write(info, /*force=*/true);
        if (ranks_.is_root()) {
            // One byte of the last state of block 5, one of the first state of block 2.
            const Store store(path_);
            const std::int64_t begin = size() - store.state_bytes();
            flip(begin + (2 * store.rows() + layout_.first_row(5)) * info.row_bytes());
            flip(begin + layout_.first_row(2) * info.row_bytes() + 3);
        }
        ranks_.barrier();
        {
            const Store store(path_);
            for (std::int64_t b = 0; b < layout_.blocks(); ++b)
                EXPECT_EQ(store.sound(b), b != 2 && b != 5) << b;
            EXPECT_NO_THROW(read_rows(store, 0, layout_.first_position(5), 1));
            BV_EXPECT_ERROR(read_rows(store, 2, 0, store.features()), path_.string(), "state 2 of block 5");
        }
        ranks_.barrier();
        if (ranks_.is_root()) mark_missing(path_, std::vector<std::int64_t>{2, 5});
        ranks_.barrier();
        write(info);
        const Store mended(path_);
        EXPECT_EQ(read_rows(mended, 2, 0, mended.features()), fake_rows(info, 2, 0, mended.rows()));
        EXPECT_EQ(read_rows(mended, 0, 0, mended.features()), fake_rows(info, 0, 0, mended.rows()));
        ranks_.barrier();
    }

    std::string refusal(const StoreInfo& info) {
        try {
            StoreWriter(ranks_, lock(), path_, info, layout_, false, write_table);
        } catch (const AgreedError& error) {
            return error.what();
        }
        return "no refusal";
    }

    Communicator ranks_;
    std::filesystem::path folder_, path_;
    StoreLayout layout_ = some_layout();
};

TEST_F(StoreTest, ReadsBackWhatRanksWrote) {
    for (const DType dtype : {DType::f16, DType::f32, DType::bf16, DType::f8}) {
        for (const Task task : {Task::span, Task::classification}) {
            const StoreInfo info = some_info(dtype, task);
            write(info, /*force=*/true);
            const Store store(path_);
            EXPECT_EQ(store.info().task, info.task);
            EXPECT_EQ(store.info().dtype, dtype);
            EXPECT_EQ(store.info().layers, info.layers);
            EXPECT_EQ(store.info().checkpoint, info.checkpoint);
            EXPECT_EQ(store.info().epoch, info.epoch);
            EXPECT_EQ(store.info().features, info.features);
            EXPECT_EQ(store.info().config, info.config);
            EXPECT_EQ(store.info().checkpoint_path, info.checkpoint_path);
            EXPECT_EQ(store.info().features_path, info.features_path);
            EXPECT_EQ(store.info().batch_tokens, info.batch_tokens);
            EXPECT_EQ(store.info().hidden_size, kHidden);
            EXPECT_EQ(store.layout(), layout_);
            ASSERT_EQ(store.states(), info.states());
            for (std::int64_t s = 0; s < store.states(); ++s) {
                EXPECT_EQ(read_rows(store, s, 0, store.features()), fake_rows(info, s, 0, store.rows()))
                    << to_string(task) << " state " << s;
            }
            EXPECT_EQ(read_rows(store, 1, 9, 2),
                      fake_rows(info, 1, layout_.row_at(9), layout_.rows_at(9) + layout_.rows_at(10)));
            ranks_.barrier();
        }
    }
}

TEST_F(StoreTest, RecordsTheChecksumOfEachFeaturesBytesInEachState) {
    const StoreInfo info = some_info();
    write(info);
    const Store store(path_);
    for (std::int64_t b = 0; b < layout_.blocks(); ++b) {
        EXPECT_TRUE(store.records().written(b));
        for (std::int64_t i = 0; i < layout_.positions_of(b); ++i) {
            const std::int64_t position = layout_.first_position(b) + i;
            for (std::int64_t s = 0; s < info.states(); ++s) {
                const auto rows = fake_rows(info, s, layout_.row_at(position), layout_.rows_at(position));
                EXPECT_EQ(store.records().checksum(b, i, s), crc32c(rows.data(), rows.size()));
            }
        }
    }
}

TEST_F(StoreTest, FlippedBytesAreFoundByReadersAndMendedBlockByBlock) {
    for (const DType dtype : {DType::f16, DType::f8}) flip_and_mend(some_info(dtype));
}

TEST_F(StoreTest, WhatIsCutOffIsMended) {
    const StoreInfo info = some_info();
    write(info);
    if (ranks_.is_root()) {
        // The last state's rows of the last two blocks, except their first byte.
        const std::int64_t cut = (layout_.rows() - layout_.first_row(6)) * info.row_bytes() - 1;
        std::filesystem::resize_file(path_, static_cast<std::uintmax_t>(size() - cut));
    }
    ranks_.barrier();
    BV_EXPECT_ERROR(Store{path_}, path_.string(), "truncated");
    {
        const Store store(path_, Store::Accept::damaged);
        for (std::int64_t b = 0; b < layout_.blocks(); ++b) EXPECT_EQ(store.sound(b), b < 6) << b;
    }
    ranks_.barrier();
    if (ranks_.is_root()) mark_missing(path_, std::vector<std::int64_t>{6, 7});
    ranks_.barrier();
    write(info);
    const Store mended(path_);
    EXPECT_EQ(read_rows(mended, 2, 0, mended.features()), fake_rows(info, 2, 0, mended.rows()));
}

TEST_F(StoreTest, CarriesTheFeaturesTable) {
    write(some_info());
    EXPECT_EQ(h5::File::open(path_).root().open_group("features").read<std::int32_t>("ids"),
              (std::vector<std::int32_t>{4, 5, 6}));
}

TEST_F(StoreTest, IncompleteIsRefusedByReadersAndFinishedByWriters) {
    const StoreInfo info = some_info();
    write(info, false, /*end=*/3);
    try {
        const Store store(path_);
        ADD_FAILURE() << "an incomplete store was opened";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(path_.string()));
        EXPECT_THAT(error.what(), HasSubstr("5 of its 8 blocks"));
    }
    ranks_.barrier();
    {
        StoreWriter writer(ranks_, lock(), path_, info, layout_, false, write_table);
        EXPECT_EQ(writer.missing(), (std::vector<std::int64_t>{3, 4, 5, 6, 7}));
        writer.close();
    }
    write(info);
    EXPECT_NO_THROW(Store{path_});
}

TEST_F(StoreTest, IsNotFinishedAsAnotherOne) {
    write(some_info(), false, /*end=*/3);
    StoreInfo other = some_info();
    other.checkpoint = "decaf";
    EXPECT_THAT(refusal(other),
                testing::AllOf(HasSubstr("c0ffee"), HasSubstr("decaf"), HasSubstr(path_.string())));
    EXPECT_THAT(refusal(some_info(DType::bf16)), testing::AllOf(HasSubstr("float16"), HasSubstr("bfloat16")));
    layout_ = lay_out(std::vector<std::int64_t>(29, 2), 4);
    EXPECT_THAT(refusal(some_info()), HasSubstr("blocks"));
}

TEST_F(StoreTest, OfAnotherPrecisionIsRefused) {
    write(some_info());
    ranks_.root_only([&] {
        const h5::File file = h5::File::open_to_write(path_);
        h5::Group root = file.root();
        h5::check(H5Adelete(root.id(), "precision"), "delete");
        root.write_attribute("precision", std::string("float16"));
    });
    expect_error([&] { const Store store(path_); },
                 {path_.string(), "precision is 'float16', expected float32, bfloat16"});
}

TEST_F(StoreTest, CompleteHasNothingMissingAndIsReplacedByForceAlone) {
    write(some_info());
    {
        StoreWriter writer(ranks_, lock(), path_, some_info(), layout_, false, write_table);
        EXPECT_TRUE(writer.missing().empty());
        writer.close();
    }
    EXPECT_THAT(refusal(some_info(DType::f32)), HasSubstr("--force"));
    write(some_info(DType::f32), /*force=*/true);
    EXPECT_EQ(Store(path_).info().dtype, DType::f32);
}

TEST_F(StoreTest, FailedCreationLeavesNothing) {
    const auto fail_in_table = [](h5::Group&) { fail("no table today"); };
    EXPECT_THROW(StoreWriter(ranks_, lock(), path_, some_info(), layout_, false, fail_in_table), AgreedError);
    ranks_.barrier();
    EXPECT_FALSE(std::filesystem::exists(path_.parent_path()));
}

TEST_F(StoreTest, OtherFilesAreRefusedByName) {
    if (!ranks_.is_root()) return;
    const auto refused = [](const std::filesystem::path& path) {
        try {
            const Store store(path);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no refusal");
    };
    EXPECT_THAT(refused(folder_ / "absent.h5"), HasSubstr("absent.h5"));
    write_file(folder_ / "text.h5", "no HDF5 at all");
    EXPECT_THAT(refused(folder_ / "text.h5"), HasSubstr("text.h5"));
    h5::File::create(folder_ / "other.h5").close();
    EXPECT_THAT(refused(folder_ / "other.h5"),
                testing::AllOf(HasSubstr("other.h5"), HasSubstr("no embedding store")));
}

TEST_F(StoreTest, TruncatedIsRefusedByName) {
    write(some_info());
    if (!ranks_.is_root()) return;
    const auto size = std::filesystem::file_size(path_);
    for (const auto kept : {size - 1, size / 2, std::uintmax_t{100}}) {
        std::filesystem::resize_file(path_, kept);
        try {
            const Store store(path_);
            ADD_FAILURE() << "a store cut to " << kept << " bytes was opened";
        } catch (const Error& error) {
            EXPECT_THAT(error.what(), testing::AllOf(HasSubstr(path_.string()), HasSubstr("truncated")));
        }
    }
}

}  // namespace
}  // namespace bv
