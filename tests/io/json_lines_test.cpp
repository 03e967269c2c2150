#include "io/json_lines.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

TEST(MetricsFile, EveryLineIsOnDiskAsSoonAsItIsAppended) {
    const TemporaryFolder folder;
    const auto path = folder / "metrics/train.jsonl";
    MetricsFile metrics(path);
    metrics.append({{"step", 1}});
    EXPECT_EQ(read_file(path), "{\"step\":1}\n");
    metrics.append({{"step", 2}});
    EXPECT_EQ(read_file(path), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(MetricsFile, ItStartsAnew) {
    const TemporaryFolder folder;
    write_file(folder / "metrics.jsonl", "old\n");
    const MetricsFile metrics(folder / "metrics.jsonl");
    EXPECT_EQ(read_file(folder / "metrics.jsonl"), "");
}

TEST(MetricsFile, ItGoesOnAfterTheLinesItIsGiven) {
    const TemporaryFolder folder;
    write_file(folder / "metrics.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"st");
    MetricsFile metrics(folder / "metrics.jsonl", "{\"step\":1}\n");
    metrics.append({{"step", 2}});
    EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(MetricsFile, AFullDiskAndAnImpossiblePlaceAreErrorsThatNameThePath) {
    MetricsFile full("/dev/full");
    BV_EXPECT_ERROR(full.append({{"step", 1}}), "/dev/full", "No space left on device");
    const TemporaryFolder folder;
    write_file(folder / "file", "");
    const auto below = folder / "file/metrics.jsonl";
    BV_EXPECT_ERROR(MetricsFile{below}, below.string());
}

}  // namespace
}  // namespace bv
