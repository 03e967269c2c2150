#include "squad/features/features_file.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/small_model.hpp"
#include "io/files.hpp"
#include "squad/features/feature_builder.hpp"

namespace bv {
namespace {

Dataset small_dataset() {
    Dataset dataset;
    dataset.labelled = true;
    dataset.contexts = {"a b c a b c a b c", "\u00e9 b\u00a0c"};
    dataset.questions = {{"1", "a b?", 0, {{"c a", 4}, {"a", 0}}, false},
                         {"2", "", 0, {}, true},
                         {"3", "b", 1, {{"b\u00a0c", 2}}, false}};
    return dataset;
}

class FeaturesFile : public testing::Test {
  protected:
    Features make(Unfound unfound = Unfound::keep, int threads = 2) const {
        FeatureSettings settings;
        settings.max_tokens = 9;
        settings.max_question_tokens = 2;
        settings.stride = 3;
        Progress quiet("test", "questions", 3, true);
        return make_features(small_dataset(), model_.tokenizer(), settings, unfound, threads, quiet);
    }
    std::filesystem::path written() const {
        write_features(folder_ / "features.h5", make(), true);
        return folder_ / "features.h5";
    }
    /// Runs `change` on the table of a written file, which is then opened again.
    template <class Change>
    std::filesystem::path changed(Change change) const {
        const auto path = written();
        h5::File file = h5::File::open_to_write(path);
        h5::Group table = file.root().open_group("features");
        change(table);
        return path;
    }

    TemporaryFolder folder_;
    SmallModel model_{{"a", "b", "c", "e"}};
};

template <class T>
void replace(h5::Group& table, const std::string& name, const std::vector<T>& values) {
    h5::check(H5Ldelete(table.id(), name.c_str(), H5P_DEFAULT), "delete");
    table.write(name, values);
}

TEST_F(FeaturesFile, an_array_larger_than_what_is_left_of_its_file_takes_no_memory) {
    const auto path = changed([](h5::Group& table) {
        h5::check(H5Ldelete(table.id(), "ids", H5P_DEFAULT), "delete");
        const hsize_t size = hsize_t{1} << 40;
        const h5::Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, "space");
        const h5::Handle creation = h5::creation_list(H5P_DATASET_CREATE);
        h5::check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "early");
        h5::check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "no fill");
        const h5::Handle made(H5Dcreate2(table.id(), "ids", H5T_STD_I32LE, space.get(), H5P_DEFAULT,
                                         creation.get(), H5P_DEFAULT),
                              H5Dclose, "make");
    });
    std::filesystem::resize_file(path, 1 << 20);
    BV_EXPECT_ERROR(read_features(path, h5::File::Truncated::open), "features/ids", "larger than its file");
}

TEST_F(FeaturesFile, features_are_laid_out_as_documented) {
    const Features features = make();
    ASSERT_EQ(features.count(), 6);  // 9 context tokens by windows of 4 (step 3), then of 6, then of 5
    EXPECT_EQ(features.starts, (std::vector<std::int64_t>{0, 9, 18, 26, 35, 44, 51}));
    EXPECT_EQ(std::vector<std::int32_t>(features.ids.begin(), features.ids.begin() + 9),
              (std::vector<std::int32_t>{2, 4, 5, 3, 4, 5, 6, 4, 3}));
    EXPECT_EQ(std::vector<std::uint8_t>(features.segments.begin(), features.segments.begin() + 9),
              (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 1, 1, 1, 1}));
    EXPECT_EQ(features.start_label, (std::vector<std::int32_t>{6, 0, 0, 0, 0, 4}));
    EXPECT_EQ(features.end_label, (std::vector<std::int32_t>{7, 0, 0, 0, 0, 5}));
    EXPECT_EQ(features.context_token, (std::vector<std::int32_t>{0, 3, 6, 0, 3, 0}));
    EXPECT_EQ(features.char_begin[3], kNoOffset);
    EXPECT_EQ(features.char_begin[44 + 4], 2);  // after "é", which has two bytes
    EXPECT_EQ(features.byte_begin[44 + 4], 3);
    EXPECT_EQ(features.byte_end[44 + 5], 7);
}

TEST_F(FeaturesFile, a_question_not_found_by_the_legacy_rule_is_skipped_or_kept) {
    EXPECT_EQ(make(Unfound::keep).questions.size(), 3U);
    const Features features = make(Unfound::skip);
    EXPECT_EQ(features.questions.size(), 2U);
    EXPECT_EQ(features.count(), 5);
}

TEST_F(FeaturesFile, the_number_of_threads_changes_nothing) {
    EXPECT_EQ(make(Unfound::keep, 1).fingerprint(), make(Unfound::keep, 4).fingerprint());
}

TEST_F(FeaturesFile, what_is_read_is_what_was_written) {
    const Features original = make();
    const Features copy = read_features(written());
    EXPECT_EQ(copy.settings, original.settings);
    EXPECT_EQ(copy.ids, original.ids);
    EXPECT_EQ(copy.byte_end, original.byte_end);
    EXPECT_EQ(copy.contexts, original.contexts);
    ASSERT_EQ(copy.questions.size(), 3U);
    EXPECT_EQ(copy.questions[0].answers[1].text, "a");
    EXPECT_EQ(copy.questions[0].answers[0].start, 4);
    EXPECT_TRUE(copy.questions[1].impossible);
    EXPECT_EQ(copy.fingerprint(), original.fingerprint());
}

TEST_F(FeaturesFile, the_fingerprint_sees_every_part) {
    const std::string original = make().fingerprint();
    const auto differs = [&](auto change) {
        Features features = make();
        change(features);
        return features.fingerprint() != original;
    };
    EXPECT_TRUE(differs([](Features& f) { f.ids[1] = 6; }));
    EXPECT_TRUE(differs([](Features& f) { f.end_label[0] = 6; }));
    EXPECT_TRUE(differs([](Features& f) { f.contexts[0] += " "; }));
    EXPECT_TRUE(differs([](Features& f) { f.questions[0].answers[1].text = "b"; }));
    EXPECT_TRUE(differs([](Features& f) { f.settings.stride = 4; }));
    EXPECT_TRUE(differs([](Features& f) { f.settings.tokenizer = "t"; }));
    EXPECT_TRUE(differs([](Features& f) { f.labelled = false; }));
}

TEST_F(FeaturesFile, nothing_is_replaced_without_force_and_nothing_is_left_beside) {
    const auto path = written();
    BV_EXPECT_ERROR(write_features(path, make(), false), "features.h5", "--force");
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".partial"));
    std::filesystem::create_directory(folder_ / "taken");
    BV_EXPECT_ERROR(write_features(folder_ / "taken", make(), true), "taken");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "taken.partial"));
}

TEST_F(FeaturesFile, other_files_are_refused_by_name) {
    BV_EXPECT_ERROR(read_features(folder_ / "absent.h5"), "absent.h5", "no such file");
    write_file(folder_ / "text.h5", "no HDF5");
    BV_EXPECT_ERROR(read_features(folder_ / "text.h5"), "text.h5", "not an HDF5 file");
    const std::string whole = read_file(written());
    write_file(folder_ / "cut.h5", whole.substr(0, whole.size() / 2));
    BV_EXPECT_ERROR(read_features(folder_ / "cut.h5"), "cut.h5", "truncated");
    { h5::File::create(folder_ / "empty.h5"); }
    BV_EXPECT_ERROR(read_features(folder_ / "empty.h5"), "empty.h5", "\"features\"");
}

TEST_F(FeaturesFile, a_table_that_contradicts_itself_is_refused) {
    using Longs = std::vector<std::int64_t>;
    using Ints = std::vector<std::int32_t>;
    const auto refused = [&](auto change, const std::string& part) {
        BV_EXPECT_ERROR(read_features(changed(change)), "features.h5:/features", part);
    };
    refused([](auto& t) { replace(t, "starts", Longs{0, 9, 8, 26, 35, 44, 51}); }, "starts");
    refused([](auto& t) { replace(t, "starts", Longs{0, 9, 18, 26, 35, 44, 52}); }, "starts");
    refused([](auto& t) { replace(t, "question_of", Longs{0, 0, 0, 1, 1, 9}); }, "question_of");
    refused([](auto& t) { replace(t, "start_label", Ints{9, 0, 0, 0, 0, 4}); }, "label");
    refused([](auto& t) { replace(t, "char_end", Ints(51, 1000)); }, "offsets");
    refused([](auto& t) { replace(t, "ids", Ints(51, -3)); }, "id is negative");
    refused([](auto& t) { replace(t, "ids", Ints(51, 3)); }, "fingerprint");
    refused([](auto& t) { replace(t, "ids", Longs(51, 3)); }, "ids");
    refused([](auto& t) { h5::check(H5Ldelete(t.id(), "window", H5P_DEFAULT), "delete"); },
            "/features/window");
    refused([](auto& t) { h5::check(H5Adelete(t.id(), "stride"), "delete"); }, "stride");
    refused(
        [](auto& t) {
            h5::check(H5Adelete(t.id(), "version"), "delete");
            t.write_attribute("version", std::int64_t{99});
        },
        "version 99; this program reads bertvision-features version 2");
    refused(
        [](auto& t) {
            h5::check(H5Adelete(t.id(), "label_rule"), "delete");
            t.write_attribute("label_rule", "new");
        },
        "label_rule is \"new\"; expected one of: legacy, offsets");
}

TEST(FeatureSettings, settings_that_leave_gaps_are_refused) {
    const auto refused = [](FeatureSettings settings, const std::string& part) {
        BV_EXPECT_ERROR(check_settings(settings), part);
    };
    check_settings({});
    refused({.max_tokens = 67}, "max tokens 67");
    refused({.max_question_tokens = 0}, "max question tokens is 0");
    refused({.stride = 320}, "stride 320 as a step; expected 1 to 319");
    refused({.stride = 319, .stride_means = StrideMeans::overlap},
            "stride 319 as an overlap; expected 0 to 318");
}

}  // namespace
}  // namespace bv
