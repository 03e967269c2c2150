#include "io/files.hpp"

#include <vector>

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

TEST(Files, WhatIsWrittenReadsBackAndNothingIsLeftAside) {
    const TemporaryFolder folder;
    const fs::path path = folder / "deep/er/file";
    const std::string content("zero \0 and \xff", 12);
    write_file(path, content);
    EXPECT_EQ(read_file(path), content);
    write_file(path, "");
    EXPECT_EQ(read_file(path), "");
    EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
}

TEST(Files, PiecesBecomeOneFileWhoseFingerprintIsReturned) {
    const TemporaryFolder folder;
    const fs::path path = folder / "file";
    const std::string large(3 << 20, 'x');
    const std::vector<std::string_view> pieces{"begin", "", large, "end"};
    EXPECT_EQ(write_file(path, pieces), fingerprint("begin" + large + "end"));
    EXPECT_EQ(read_file(path), "begin" + large + "end");
}

TEST(Files, AFullDiskIsAnErrorThatNamesTheFileAndLeavesTheOldOne) {
    const TemporaryFolder folder;
    const fs::path path = folder / "file";
    write_file(path, "old");
    fs::create_symlink("/dev/full", folder / "file.partial");
    BV_EXPECT_ERROR(write_file(path, "new"), path.string(), "No space left on device");
    EXPECT_EQ(read_file(path), "old");
    EXPECT_FALSE(fs::is_symlink(folder / "file.partial"));
}

TEST(Files, AFileWrittenAsideReplacesTheOldOneOrIsGone) {
    const TemporaryFolder folder;
    const fs::path path = folder / "deep/file";
    write_file(path, "old");
    {
        const AsideFile aside(path);
        write_file(aside.path(), "half");
    }
    EXPECT_EQ(read_file(path), "old");
    AsideFile aside(path);
    write_file(aside.path(), "new");
    EXPECT_EQ(read_file(path), "old");
    aside.take_place();
    EXPECT_EQ(read_file(path), "new");
    EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
}

TEST(Files, AFolderThatCannotBeMadeIsAnErrorThatNamesIt) {
    const TemporaryFolder folder;
    write_file(folder / "file", "");
    BV_EXPECT_ERROR(write_file(folder / "file/below", "x"), (folder / "file").string());
}

TEST(Files, WhatCannotBeReadIsAnErrorThatNamesIt) {
    const TemporaryFolder folder;
    const std::string absent = (folder / "absent").string();
    BV_EXPECT_ERROR(read_file(absent), absent, "No such file");
    BV_EXPECT_ERROR(MappedFile{absent}, absent, "No such file");
    BV_EXPECT_ERROR(flush_to_disk(absent), absent, "No such file");
    BV_EXPECT_ERROR(read_file("/proc/self/mem"), "/proc/self/mem", "Input/output error");
    BV_EXPECT_ERROR(read_file(folder.path()), folder.path().string(), "it is a folder");
    BV_EXPECT_ERROR(MappedFile{folder.path()}, folder.path().string(), "it is a folder");
}

TEST(Files, NothingIsReplacedWithoutForce) {
    const TemporaryFolder folder;
    write_file(folder / "file", "");
    BV_EXPECT_ERROR(require_absent(folder / "file", false), (folder / "file").string(), "--force");
    EXPECT_NO_THROW(require_absent(folder / "file", true));
    EXPECT_NO_THROW(require_absent(folder / "absent", false));
}

TEST(Files, AMappedFileHoldsTheFilesBytes) {
    const TemporaryFolder folder;
    write_file(folder / "file", "bytes");
    write_file(folder / "empty", "");
    EXPECT_EQ(MappedFile(folder / "file").bytes(), "bytes");
    EXPECT_EQ(MappedFile(folder / "empty").bytes(), "");
}

TEST(Files, AFingerprintIsXxh3Of128Bits) {
    // xxHash's own reference value for no bytes.
    EXPECT_EQ(fingerprint(""), "99aa06d3014798d86001c324468d497f");
    EXPECT_NE(fingerprint("a"), fingerprint("b"));
    EXPECT_EQ(fingerprint("a").size(), 32U);
}

TEST(Files, APlaceCountsLinesAndColumnsFromOne) {
    EXPECT_EQ(place_of("ab\ncd", 0), "line 1, column 1");
    EXPECT_EQ(place_of("ab\ncd", 4), "line 2, column 2");
    EXPECT_EQ(place_of("ab\n", 99), "line 2, column 1");
}

}  // namespace
}  // namespace bv
