#include "io/paths.hpp"

#include <string>

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

TEST(Paths, EachIsLookedAtOrTheErrorNamesIt) {
    const TemporaryFolder folder;
    write_file(folder / "file", "four");
    EXPECT_TRUE(is_there(folder / "file") && is_file(folder / "file") && !is_folder(folder / "file"));
    EXPECT_TRUE(is_there(folder.path()) && is_folder(folder.path()) && !is_file(folder.path()));
    for (const char* absent : {"absent", "file/below"}) {
        EXPECT_FALSE(is_there(folder / absent) || is_folder(folder / absent) || is_file(folder / absent));
        BV_EXPECT_ERROR(entries_of(folder / absent), absent);
        BV_EXPECT_ERROR(file_bytes(folder / absent), absent);
    }
    EXPECT_EQ(file_bytes(folder / "file"), 4);
    EXPECT_THAT(entries_of(folder.path()), testing::ElementsAre(folder / "file"));
    std::filesystem::create_symlink("circle", folder / "circle");
    for (const std::string& wrong : {std::string(300, 'x'), std::string("circle")}) {
        for (const auto look : {is_there, is_folder, is_file}) BV_EXPECT_ERROR(look(folder / wrong), wrong);
        BV_EXPECT_ERROR(require_absent(folder / wrong, false), wrong);
    }
}

TEST(Paths, OneLiesInAFolderByWhicheverNameItIsGiven) {
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder / "a/b");
    std::filesystem::create_directory_symlink(folder / "a", folder / "link");
    EXPECT_TRUE(lies_in(folder / "a/b/absent", folder / "a"));
    EXPECT_TRUE(lies_in(folder / "a", folder / "link"));
    EXPECT_TRUE(lies_in(folder / "link/b", folder / "a/../a"));
    EXPECT_FALSE(lies_in(folder / "ab", folder / "a"));
    EXPECT_FALSE(lies_in(folder / "a", folder / "a/b"));
    EXPECT_FALSE(lies_in("", folder / "a"));
}

}  // namespace
}  // namespace bv
