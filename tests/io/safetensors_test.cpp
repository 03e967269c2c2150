#include "io/safetensors.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

std::string bytes_of(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class SafetensorsTest : public testing::Test {
  protected:
    /// A file with this header text and so many data bytes.
    std::filesystem::path file_with(const std::string& header, std::size_t data_bytes) {
        const std::uint64_t length = header.size();
        std::string content(sizeof(length), '\0');
        std::memcpy(content.data(), &length, sizeof(length));
        write_file(path_, content + header + std::string(data_bytes, 'x'));
        return path_;
    }

    void expect_refused(const std::string& header, std::size_t data_bytes, const std::string& why) {
        BV_EXPECT_ERROR(SafetensorsFile{file_with(header, data_bytes)}, path_.string(), why);
    }

    TemporaryFolder folder_;
    std::filesystem::path path_ = folder_ / "model.safetensors";
};

TEST_F(SafetensorsTest, PartsInAnyOrderMakeTheFileThatIsWrittenAtOnce) {
    const std::string matrix = bytes_of({1, 2, 3, 4, 5, 6});
    const std::string scalar = bytes_of({7});
    const std::map<std::string, std::string> metadata{{"a", "b"}};
    write_safetensors(folder_ / "whole",
                      {{"m", {DType::f32, {3, 2}, matrix}}, {"s", {DType::f32, {}, scalar}}}, metadata);
    SafetensorsParts parts(path_, {{"m", {DType::f32, {3, 2}}}, {"s", {DType::f32, {}}}}, metadata);
    parts.create();
    parts.open();
    parts.write("s", 0, scalar);
    parts.write("m", 4, std::string_view(matrix).substr(16));
    parts.write("m", 0, std::string_view(matrix).substr(0, 16));
    parts.flush();
    EXPECT_EQ(read_file(path_), read_file(folder_ / "whole"));
}

TEST_F(SafetensorsTest, PartsThatCannotBeWrittenAreErrors) {
    SafetensorsParts nowhere(folder_ / "none" / "file", {{"m", {DType::f32, {2}}}}, {});
    BV_EXPECT_ERROR(nowhere.create(), "none/file", "cannot create");
    BV_EXPECT_ERROR(nowhere.open(), "none/file", "cannot open");
    SafetensorsParts huge(path_, {{"m", {DType::f32, {std::int64_t{1} << 58}}}}, {});
    BV_EXPECT_ERROR(huge.create(), path_.string(), "cannot write");
}

TEST_F(SafetensorsTest, WhatIsWrittenReadsBack) {
    const std::string matrix = bytes_of({1, 2, 3, 4, 5, 6});
    const std::string scalar = bytes_of({7});
    const std::string ids("\1\0\0\0\0\0\0\0", 8);
    write_safetensors(path_,
                      {{"matrix", {DType::f32, {2, 3}, matrix}},
                       {"scalar", {DType::f32, {}, scalar}},
                       {"nothing", {DType::bf16, {0, 4}, ""}},
                       {"ids \"quoted\"", {DType::i64, {1}, ids}}},
                      {{"format", "pt"}});
    const SafetensorsFile file(path_);
    EXPECT_EQ(file.tensors().size(), 4U);
    EXPECT_EQ(file.at("matrix").shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(file.at("matrix").dtype, DType::f32);
    EXPECT_THAT(file.at("matrix").as<float>(), testing::ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_THAT(file.at("scalar").as<float>(), testing::ElementsAre(7));
    EXPECT_TRUE(file.at("nothing").bytes.empty());
    EXPECT_THAT(file.at("ids \"quoted\"").as<std::int64_t>(), testing::ElementsAre(1));
    EXPECT_EQ(file.metadata().at("format"), "pt");
}

/// The most memory that this process ever had, in bytes.
std::int64_t peak_memory() {
    rusage usage{};
    EXPECT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss * std::int64_t{1024};
}

TEST_F(SafetensorsTest, WritingTakesNoMemoryOfTheFilesSizeAndReturnsItsFingerprint) {
    const std::string large(std::size_t{64} << 20, 'x');
    const std::int64_t before = peak_memory();
    const std::string found = write_safetensors(path_, {{"x", {DType::u8, {64, 1 << 20}, large}}});
    EXPECT_LT(peak_memory() - before, 16 << 20);
    EXPECT_EQ(found, fingerprint(MappedFile(path_).bytes()));
}

TEST_F(SafetensorsTest, TheDataBeginsAtAMultipleOfEightBytes) {
    write_safetensors(path_, {{"x", {DType::f32, {1}, bytes_of({1})}}});
    std::uint64_t header = 0;
    std::memcpy(&header, read_file(path_).data(), sizeof(header));
    EXPECT_EQ(header % 8, 0U);
}

TEST_F(SafetensorsTest, AnAbsentTensorIsAnErrorThatNamesFileAndTensor) {
    write_safetensors(path_, {});
    BV_EXPECT_ERROR(SafetensorsFile(path_).at("weight"), path_.string(), "'weight'");
}

TEST_F(SafetensorsTest, EveryTruncationIsRefused) {
    write_safetensors(path_, {{"x", {DType::f32, {3}, bytes_of({1, 2, 3})}}});
    const std::string whole = read_file(path_);
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        write_file(path_, whole.substr(0, bytes));
        BV_EXPECT_ERROR(SafetensorsFile{path_}, path_.string());
    }
}

TEST_F(SafetensorsTest, AHeaderLongerThanTheFileIsRefused) {
    write_file(path_, std::string(8, '\xff') + "{}");
    BV_EXPECT_ERROR(SafetensorsFile{path_}, path_.string(), "18446744073709551615");
}

TEST_F(SafetensorsTest, AHeaderThatIsNoJsonObjectIsRefused) {
    expect_refused("no json", 0, "header: no JSON at line 1");
    expect_refused("[1, 2]", 0, "no JSON object");
    expect_refused("{\"x\": ", 0, "header: no JSON at line 1");
    expect_refused(R"({"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,0]}})", 0,
                   "beyond double's range");
}

TEST_F(SafetensorsTest, MetadataThatIsNullIsAbsent) {
    EXPECT_TRUE(SafetensorsFile(file_with(R"({"__metadata__":null})", 0)).metadata().empty());
}

TEST_F(SafetensorsTest, MalformedEntriesAreRefusedByName) {
    for (const char* entry :
         {"3", "[]", R"({"dtype":"F32","shape":[1]})", R"({"dtype":"F32","data_offsets":[0,4]})",
          R"({"shape":[1],"data_offsets":[0,4]})", R"({"dtype":1,"shape":[1],"data_offsets":[0,4]})",
          R"({"dtype":"F32","shape":"1","data_offsets":[0,4]})",
          R"({"dtype":"F32","shape":[1],"data_offsets":[0]})",
          R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})",
          R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,4]})"}) {
        expect_refused(std::string(R"({"name":)") + entry + "}", 4, "'name'");
    }
    expect_refused(R"({"__metadata__":{"a":1}})", 0, "'__metadata__'");
}

TEST_F(SafetensorsTest, AnUnknownElementTypeIsRefused) {
    expect_refused(R"({"x":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", 4, "F8_E4M3");
}

TEST_F(SafetensorsTest, ShapesThatCannotBeAreRefused) {
    expect_refused(R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "impossible shape");
    expect_refused(R"({"x":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}})", 4, "impossible shape");
    expect_refused(R"({"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
                   "impossible shape");
}

TEST_F(SafetensorsTest, OffsetsThatLieAreRefused) {
    expect_refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "truncated");
    expect_refused(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "'x'");
    expect_refused(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "'x'");
    expect_refused(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8,
                   "8 bytes where its shape needs 4");
}

TEST_F(SafetensorsTest, TensorsThatOverlapOrLeaveGapsAreRefused) {
    expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                   R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                   8, "'b'");
    expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                   R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                   12, "'b'");
    expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "5");
}

}  // namespace
}  // namespace bv
