#include "config/numbers.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/command_line.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

/// An option of each kind that the programs have.
struct NumberOptions {
    std::int64_t count = 16;
    int threads = 0;
    std::uint64_t seed = 1;
    double rate = 1e-4;
    double share = 0;
    double seconds = 120;
    double threshold = 0;
    std::vector<double> rates{1e-3};
    std::vector<std::uint64_t> seeds{1};
};

NumberOptions parse(std::vector<std::string> words) {
    NumberOptions options;
    CommandLine line("bv_train", "");
    line.option("count", options.count, "").check(at_least(1));
    line.option("threads", options.threads, "").check(within(0, kMostThreads));
    line.option("seed", options.seed, "");
    line.option("rate", options.rate, "").check(above_0());
    line.option("share", options.share, "").check(within(0, 1));
    line.option("seconds", options.seconds, "").check(zero_or(2));
    line.option("threshold", options.threshold, "");
    line.option("rates", options.rates, "").delimiter(',').check(above_0());
    line.option("seeds", options.seeds, "").delimiter(',');
    words.insert(words.begin(), "program");
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    line.parse(static_cast<int>(pointers.size()), pointers.data());
    return options;
}

/// What parsing says of --name=value; empty where it is taken.
std::string complaint(const std::string& name, const std::string& value) {
    try {
        parse({"--" + name + "=" + value});
        return "";
    } catch (const Error& wrong) {
        return wrong.what();
    }
}

TEST(Numbers, OfOptionsAreTakenAsTheyStand) {
    EXPECT_EQ(parse({"--count", "1000000000"}).count, 1'000'000'000);
    EXPECT_EQ(parse({"--count", "007"}).count, 7);  // not octal
    EXPECT_EQ(parse({"--count", "+8"}).count, 8);
    EXPECT_EQ(parse({"--seed", "18446744073709551615"}).seed, 18446744073709551615U);
    EXPECT_EQ(parse({"--rate", "1e-300"}).rate, 1e-300);
    EXPECT_EQ(parse({"--share", "-0"}).share, 0);
    EXPECT_EQ(parse({"--share", "1"}).share, 1);
    EXPECT_EQ(parse({"--seconds", "0"}).seconds, 0);
    EXPECT_EQ(parse({"--seconds", "2"}).seconds, 2);
    EXPECT_EQ(parse({"--threshold", "-1.5"}).threshold, -1.5);
    EXPECT_EQ(parse({"--rates", "1e-3,+0.5"}).rates, (std::vector<double>{1e-3, 0.5}));
    EXPECT_EQ(parse({"--seeds", "1,2"}).seeds, (std::vector<std::uint64_t>{1, 2}));
}

TEST(Numbers, ThatAnOptionDoesNotTakeAreRefusedInAShortLineThatNamesOptionAndNumber) {
    const std::string long_number(400, '9');
    const std::vector<std::pair<std::string, std::vector<std::string>>> refused{
        {"count",
         {"0", "-1", "nan", "-nan", "inf", "-inf", "1e400", "12.0", "1e2", "0x80", "1_00", "", " 1",
          "1000000001", "9223372036854775807", "9223372036854775808", "99999999999999999999", "x"}},
        {"threads", {"-1", "1025", "20000", "2147483648", "4294967297", "nan", "1.5"}},
        {"seed", {"-1", "18446744073709551616", "1.5", "nan", "0x10"}},
        {"rate", {"0", "-0", "-1e-3", "nan", "inf", "1e400", "1e-400", "0x1p-3", "1e", "x"}},
        {"share", {"-0.1", "1.5", "nan", "inf", "-1e-300", "1e-400"}},
        {"seconds", {"1.9", "-1", "nan", "inf", "1e300"}},
        {"threshold", {"nan", "-inf", "1e400", "x"}},
        {"rates", {"1e-3,nan", "inf", "0", "1e-3,-1"}},
        {"seeds", {"1,-1", "1,18446744073709551616", "1,x"}}};
    for (const auto& [name, values] : refused) {
        for (const std::string& value : values) {
            const std::string said = complaint(name, value);
            EXPECT_NE(said.find("--" + name), std::string::npos) << name << " " << value << ": " << said;
            EXPECT_NE(said.find(value.substr(value.rfind(',') + 1)), std::string::npos) << said;
            EXPECT_LT(said.size(), 140U) << said;
        }
        const std::string said = complaint(name, long_number);
        EXPECT_FALSE(said.empty());
        EXPECT_LT(said.size(), 160U) << said;
    }
}

TEST(Numbers, OfTomlKeepTheSameRules) {
    const TemporaryFolder folder;
    const auto study = [&](const std::string& text) {
        write_file(folder / "study.toml", text);
        return parse({"--config", (folder / "study.toml").string()});
    };
    EXPECT_EQ(study("[train]\ncount = 0x80\n").count, 128);
    EXPECT_EQ(study("[train]\r\ncount = 1_000\r\n").count, 1000);
    EXPECT_EQ(study("\xef\xbb\xbf[train]\ncount = 3\n").count, 3);
    EXPECT_EQ(study("[train]\nrates = [0.5, 1]\n").rates, (std::vector<double>{0.5, 1}));
    for (const char* line :
         {"count = nan", "count = 0", "count = 1.5", "count = true", "count = [1, 2]", "rate = nan",
          "rate = inf", "rate = -inf", "share = nan", "share = 1.5", "seed = -1", "count = 2020-01-01",
          "rates = [1, nan]", "threads = 20000", "count = 1\ncount = 2"}) {
        SCOPED_TRACE(line);
        BV_EXPECT_ERROR(study(fmt::format("[train]\n{}\n", line)), std::string(line).substr(0, 4));
    }
    for (const char* line : {"count = 99999999999999999999", "seed = 18446744073709551616", "rate = 1e400"}) {
        BV_EXPECT_ERROR(study(fmt::format("[train]\n{}\n", line)), "study.toml:2");
    }
}

}  // namespace
}  // namespace bv
