#include "io/hdf5.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv::h5 {
namespace {

class Hdf5 : public testing::Test {
  protected:
    std::filesystem::path path() const { return folder_ / "some.h5"; }

    TemporaryFolder folder_;
};

TEST_F(Hdf5, what_is_read_is_what_was_written) {
    const std::vector<std::string> strings{"", "a", std::string("nul\0inside", 10), "\u00e9\n"};
    {
        File file = File::create(path());
        Group group = file.root().create_group("group");
        group.write("bytes", std::vector<std::uint8_t>{0, 255});
        group.write("numbers", std::vector<std::int64_t>{-1, std::int64_t{1} << 40});
        group.write("none", std::vector<std::int32_t>{});
        group.write("reals", std::vector<double>{0.1});
        group.write_strings("strings", strings);
        group.write_strings("no strings", {});
        group.write_attribute("text", std::string("caf\u00e9"));
        group.write_attribute("empty", std::string());
        group.write_attribute("number", std::int64_t{-7});
    }
    const File file = File::open(path());
    const Group group = file.root().open_group("group");
    EXPECT_EQ(group.read<std::uint8_t>("bytes"), (std::vector<std::uint8_t>{0, 255}));
    EXPECT_EQ(group.read<std::int64_t>("numbers"), (std::vector<std::int64_t>{-1, std::int64_t{1} << 40}));
    EXPECT_TRUE(group.read<std::int32_t>("none").empty());
    EXPECT_EQ(group.read<double>("reals"), (std::vector<double>{0.1}));
    EXPECT_EQ(group.read_strings("strings"), strings);
    EXPECT_TRUE(group.read_strings("no strings").empty());
    EXPECT_EQ(group.read_text_attribute("text"), "caf\u00e9");
    EXPECT_EQ(group.read_text_attribute("empty"), "");
    EXPECT_EQ(group.read_number_attribute("number"), -7);
}

TEST_F(Hdf5, errors_name_the_file_and_the_dataset) {
    File file = File::create(path());
    Group group = file.root().create_group("group");
    group.write("numbers", std::vector<std::int32_t>{1, 2});
    group.write_attribute("text", std::string("a"));
    BV_EXPECT_ERROR(group.write("numbers", std::vector<std::int32_t>{1}), "some.h5:/group/numbers");
    BV_EXPECT_ERROR(group.read<std::int32_t>("absent"), "some.h5:/group/absent", "no such dataset");
    BV_EXPECT_ERROR(group.read<std::int64_t>("numbers"), "some.h5:/group/numbers", "8-byte whole numbers");
    BV_EXPECT_ERROR(group.read<float>("numbers"), "some.h5:/group/numbers", "floating-point");
    BV_EXPECT_ERROR(group.open_group("absent"), "some.h5:/group/absent", "no such group");
    BV_EXPECT_ERROR(group.read_number_attribute("text"), "attribute text", "some.h5:/group", "whole number");
    BV_EXPECT_ERROR(group.read_text_attribute("absent"), "attribute absent", "some.h5:/group");
}

TEST_F(Hdf5, strings_whose_starts_lie_are_refused) {
    File file = File::create(path());
    Group list = file.root().create_group("list");
    list.write("starts", std::vector<std::int64_t>{0, 9, 3});
    list.write("bytes", std::vector<std::uint8_t>{1, 2, 3});
    BV_EXPECT_ERROR(file.root().read_strings("list"), "some.h5:/list", "3 bytes");
}

TEST_F(Hdf5, a_changed_byte_of_a_dataset_is_found_and_named) {
    for (const std::size_t count : {3U, 3000U}) {  // within the metadata, and outside
        const std::vector<std::int64_t> numbers(count, 0x1122334455667788);
        {
            File file = File::create(path());
            file.root().create_group("group").write("numbers", numbers);
        }
        std::string content = read_file(path());
        content[content.find("\x88\x77\x66\x55") + 5] ^= 4;
        write_file(path(), content);
        const auto read = [&] {
            File::open(path()).root().open_group("group").read<std::int64_t>("numbers");
        };
        BV_EXPECT_ERROR(read(), "some.h5:/group/numbers", "damaged");
        EXPECT_THROW(read(), Damaged);
    }
}

TEST_F(Hdf5, no_times_are_kept_so_that_equal_content_is_equal_bytes) {
    File file = File::create(path());
    file.root().create_group("group").write("numbers", std::vector<std::int32_t>{1});
    for (const char* name : {"/", "group", "group/numbers"}) {
        H5O_info_t info{};
        check(H5Oget_info_by_name2(file.id(), name, &info, H5O_INFO_TIME, H5P_DEFAULT), name);
        EXPECT_EQ(info.ctime, 0) << name;
        EXPECT_EQ(info.mtime, 0) << name;
    }
}

TEST_F(Hdf5, a_dataset_of_other_making_has_no_checksum_and_is_read) {
    File file = File::create(path());
    Group root = file.root();
    root.write("numbers", std::vector<std::int32_t>{1, 2});
    const Handle dataset(H5Dopen2(root.id(), "numbers", H5P_DEFAULT), H5Dclose, "open");
    check(H5Adelete(dataset.get(), "crc32c"), "delete");
    EXPECT_EQ(root.read<std::int32_t>("numbers"), (std::vector<std::int32_t>{1, 2}));
}

TEST_F(Hdf5, files_that_are_none_are_refused_by_name) {
    BV_EXPECT_ERROR(File::open(path()), "some.h5", "no such file");
    write_file(path(), "text");
    BV_EXPECT_ERROR(File::open(path()), "some.h5", "not an HDF5 file");
    BV_EXPECT_ERROR(File::open_to_write(path()), "some.h5", "not an HDF5 file");
    BV_EXPECT_ERROR(File::create(folder_ / "absent" / "file.h5"), "absent/file.h5");
}

TEST_F(Hdf5, handles_are_closed_once_however_they_are_moved) {
    const ssize_t before = H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL);
    {
        File first = File::create(path());
        Group group = first.root();
        File second = std::move(first);
        Group other = std::move(group);
        other = second.root();
        other.write_attribute("number", std::int64_t{1});
        second.close();
        second.close();
    }
    EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), before);
    EXPECT_EQ(File::open(path()).root().read_number_attribute("number"), 1);
}

}  // namespace
}  // namespace bv::h5
