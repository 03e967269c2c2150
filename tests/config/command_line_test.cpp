#include "config/command_line.hpp"

#include <gmock/gmock.h>

#include "core/task.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

struct Options {
    std::string model = "none";
    std::int64_t batch_size = 16;
    double learning_rate = 1e-4;
    bool force = false;
    std::vector<std::string> heads{"one", "two"};
    std::vector<std::uint64_t> seeds{1};
    Task task = Task::span;
    std::optional<Task> other;
    std::filesystem::path folder;
};

/// A program's line with the options above.
class Program {
  public:
    explicit Program(const std::string& name = "bv_train")
        : line_(name, "Trains heads.", "Example: bv_train") {
        line_.option("model", options_.model, "the model's folder");
        line_.option("batch-size", options_.batch_size, "sequences a step");
        line_.option("learning-rate", options_.learning_rate, "peak rate");
        line_.option("force", options_.force, "replace what exists");
        line_.option("heads", options_.heads, "heads to train").delimiter(',');
        line_.option("seed", options_.seeds, "of the weights").delimiter(',');
        line_.option("task", options_.task, "what to train for");
        line_.option("other", options_.other, "what else to train for");
        line_.option("folder", options_.folder, "for results");
        line_.sought_as("lr", "learning-rate");
    }

    const Options& parse(std::vector<std::string> words) {
        words.insert(words.begin(), "program");
        std::vector<const char*> pointers;
        for (const std::string& word : words) pointers.push_back(word.c_str());
        line_.parse(static_cast<int>(pointers.size()), pointers.data());
        return options_;
    }

    std::string resolved() const { return line_.resolved(); }

  private:
    Options options_;
    CommandLine line_;
};

class CommandLineTest : public testing::Test {
  protected:
    std::string study(const std::string& text) {
        const auto path = folder_ / "study.toml";
        write_file(path, text);
        return path.string();
    }

    TemporaryFolder folder_;
};

TEST_F(CommandLineTest, AnOutputIsNoInputUnderAnyNameAndNoSpecialFile) {
    std::string input;
    std::string output;
    std::string other;
    Task task = Task::span;
    bool force = false;
    const auto parse = [&](std::vector<std::string> words) {
        CommandLine line("bv_train", "Trains heads.");
        line.option("input", input, "to read");
        line.option("output", output, "to write").output_file();
        line.option("other", other, "to write too").output_file();
        line.option("task", task, "what to train for");
        line.option("force", force, "replace what exists");
        words.insert(words.begin(), "program");
        std::vector<const char*> pointers;
        for (const std::string& word : words) pointers.push_back(word.c_str());
        line.parse(static_cast<int>(pointers.size()), pointers.data());
    };
    const auto at = [&](const char* name) { return (folder_ / name).string(); };
    write_file(folder_ / "file", "");
    std::filesystem::create_symlink("file", folder_ / "link");
    std::filesystem::create_symlink("absent", folder_ / "dangling");
    BV_EXPECT_ERROR(parse({"--input", at("file"), "--output", at("./file")}), "--input and --output",
                    "same file");
    BV_EXPECT_ERROR(parse({"--input", at("link"), "--output", at("file")}), "--input and --output",
                    "same file");
    BV_EXPECT_ERROR(parse({"--config", study(""), "--output", at("study.toml")}), "--config and --output");
    BV_EXPECT_ERROR(parse({"--other", at("new"), "--output", at("./new")}), "--other and --output",
                    "same file");
    BV_EXPECT_ERROR(parse({"--output", at("dangling")}), "--output", "is a symbolic link");
    BV_EXPECT_ERROR(parse({"--output", at("link"), "--force"}), "--output", "is a symbolic link");
    BV_EXPECT_ERROR(parse({"--output", "/dev/null"}), "--output", "is no regular file");
    EXPECT_NO_THROW(parse({"--output", at("link")}));  // it is not replaced
    EXPECT_NO_THROW(parse({"--output", at("file"), "--input", at("absent"), "--force"}));
    std::filesystem::current_path(folder_.path());
    write_file("span", "");
    EXPECT_NO_THROW(parse({"--output", "span", "--task", "span"}));  // a word, not a path
    std::filesystem::current_path("/");
}

TEST_F(CommandLineTest, AValueThatIsNoUtf8IsRefusedByName) {
    Program program;
    BV_EXPECT_ERROR(program.parse({"--model", "caf\xff"}), "--model", "\"caf\uFFFD\"", "UTF-8");
    EXPECT_EQ(Program().parse({"--model", "caf\u00e9"}).model, "caf\u00e9");
}

TEST_F(CommandLineTest, FlagsSetTheirValuesAndTheRestKeepDefaults) {
    Program program;
    const Options& options = program.parse({"--batch-size", "8", "--force"});
    EXPECT_EQ(options.batch_size, 8);
    EXPECT_TRUE(options.force);
    EXPECT_EQ(options.model, "none");
    EXPECT_EQ(options.learning_rate, 1e-4);
}

TEST_F(CommandLineTest, AProgramReadsItsOwnTableOnly) {
    const std::string path = study(
        "[study]\nname = \"x\"\n[finetune]\nbatch = 3\n[train]\nmodel = \"m\"\nbatch_size = 5\nlearning-rate "
        "= 3e-5\n"
        "force = true\nheads = [\"a\", \"b\", \"c\"]\n");
    Program program;
    const Options& options = program.parse({"--config", path});
    EXPECT_EQ(options.model, "m");
    EXPECT_EQ(options.batch_size, 5);
    EXPECT_EQ(options.learning_rate, 3e-5);
    EXPECT_TRUE(options.force);
    EXPECT_THAT(options.heads, testing::ElementsAre("a", "b", "c"));
}

TEST_F(CommandLineTest, AFlagOverridesItsKeyOnEitherSideOfConfig) {
    const std::string path = study("[train]\nbatch_size = 5\n");
    Program before;
    EXPECT_EQ(before.parse({"--batch-size", "7", "--config", path}).batch_size, 7);
    Program after;
    EXPECT_EQ(after.parse({"--config=" + path, "--batch-size=7"}).batch_size, 7);
}

TEST_F(CommandLineTest, AnUnknownKeyNamesFileLineAndTheNearestKnownOne) {
    const std::string path = study("[train]\nmodel = \"m\"\nbatchsize = 5\n");
    Program program;
    BV_EXPECT_ERROR(program.parse({"--config", path}), path + ":3", "'batchsize'", "'batch_size'");
}

TEST_F(CommandLineTest, AnUnknownTableNamesFileLineAndTheNearestKnownOne) {
    const std::string path = study("\n[trian]\nmodel = \"m\"\n");
    Program program;
    BV_EXPECT_ERROR(program.parse({"--config", path}), path + ":2", "'trian'", "'train'");
}

TEST_F(CommandLineTest, AKeyOutsideOfAnyTableIsAnError) {
    const std::string path = study("train = 3\n");
    Program program;
    BV_EXPECT_ERROR(program.parse({"--config", path}), path + ":1", "must be a table");
}

TEST_F(CommandLineTest, BrokenTomlNamesFileAndLine) {
    const std::string path = study("[train]\nmodel = \n");
    Program program;
    BV_EXPECT_ERROR(program.parse({"--config", path}), path + ":2");
}

TEST_F(CommandLineTest, AValueOfTheWrongTypeIsAnErrorThatNamesTheOption) {
    Program flag;
    BV_EXPECT_ERROR(flag.parse({"--batch-size", "many"}), "batch-size", "many");
    const std::string path = study("[train]\nbatch_size = \"many\"\n");
    Program key;
    BV_EXPECT_ERROR(key.parse({"--config", path}), "batch-size", "many");
    const std::string nested = study("[train.batch_size]\nx = 1\n");
    Program table;
    BV_EXPECT_ERROR(table.parse({"--config", nested}), nested + ":1", "expected a string");
}

TEST_F(CommandLineTest, AMissingStudyFileIsAnErrorThatNamesIt) {
    const std::string path = (folder_ / "absent.toml").string();
    Program program;
    BV_EXPECT_ERROR(program.parse({"--config", path}), path);
}

TEST_F(CommandLineTest, AnUnknownFlagNamesTheNearestKnownOne) {
    Program typo;
    BV_EXPECT_ERROR(typo.parse({"--bach-size", "3"}), "'--bach-size'", "'--batch-size'");
    Program stray;
    BV_EXPECT_ERROR(stray.parse({"stray"}), "'stray'", "--help");
}

TEST_F(CommandLineTest, AnUnknownFlagIsNamedBeforeAMissingOne) {
    CommandLine line("bv_train", "Trains heads.", "");
    std::string store;
    line.option("store", store, "states to train on").required();
    const char* const given[] = {"bv_train", "--stoer", "s.h5"};
    BV_EXPECT_ERROR(line.parse(3, given), "unknown flag '--stoer'", "'--store'");
}

TEST_F(CommandLineTest, AnotherNameOfAnOptionNamesTheOption) {
    Program flag;
    BV_EXPECT_ERROR(flag.parse({"--lr", "0.1"}), "'--lr'", "'--learning-rate'");
    Program key;
    const std::string path = study("[train]\nlr = 0.1\n");
    BV_EXPECT_ERROR(key.parse({"--config", path}), path + ":2", "'lr'", "'learning_rate'");
}

TEST_F(CommandLineTest, HelpTeachesDescriptionDefaultsAndExamples) {
    Program program;
    try {
        program.parse({"--help"});
        FAIL() << "--help must not start the program";
    } catch (const Answered& answer) {
        for (const char* part :
             {"Trains heads.", "--batch-size", "16", "sequences a step", "Example: bv_train"}) {
            EXPECT_THAT(answer.text, testing::HasSubstr(part));
        }
    }
}

TEST_F(CommandLineTest, TheResolvedConfigurationReadsBackToTheSameValues) {
    Program first;
    const Options& wanted =
        first.parse({"--model", "a \"quoted\" \\ name", "--batch-size", "+8", "--force", "--heads", "a,b",
                     "--learning-rate", "0.1", "--seed", "7,18446744073709551615", "--task", "classification",
                     "--other", "span", "--folder", "1"});
    Program second;
    const Options& found = second.parse({"--config", study(first.resolved())});
    EXPECT_EQ(found.model, wanted.model);
    EXPECT_EQ(found.batch_size, wanted.batch_size);
    EXPECT_EQ(found.learning_rate, wanted.learning_rate);
    EXPECT_EQ(found.force, wanted.force);
    EXPECT_EQ(found.heads, wanted.heads);
    EXPECT_EQ(found.seeds, (std::vector<std::uint64_t>{7, 18446744073709551615U}));
    EXPECT_EQ(found.task, Task::classification);
    EXPECT_EQ(found.other, Task::span);
    EXPECT_EQ(found.folder, "1");
    EXPECT_EQ(second.resolved(), first.resolved());
}

TEST_F(CommandLineTest, TheResolvedConfigurationHoldsDefaultsTooAndReadsBack) {
    Program first;
    first.parse({});
    EXPECT_THAT(first.resolved(),
                testing::AllOf(testing::HasSubstr("[train]"), testing::HasSubstr("batch_size"),
                               testing::HasSubstr("learning_rate"), testing::HasSubstr("heads")));
    Program second;
    const Options& found = second.parse({"--config", study(first.resolved())});
    EXPECT_EQ(found.batch_size, 16);
    EXPECT_FALSE(found.force);
    EXPECT_THAT(found.heads, testing::ElementsAre("one", "two"));
}

TEST_F(CommandLineTest, AnOptionThatNeedsOneWhichWasNotGivenIsLeftOutAndReadsBack) {
    const auto resolved = [&](const std::vector<const char*>& words) {
        std::string head;
        bool other = false;
        CommandLine line("bv_eval", "Evaluates.");
        line.option("other", other, "allow another").needs(line.option("head", head, "the head"));
        line.parse(static_cast<int>(words.size()), words.data());
        return line.resolved();
    };
    const std::string bare = resolved({"program"});
    EXPECT_EQ(bare, "[eval]\n");
    EXPECT_EQ(resolved({"program", "--config", study(bare).c_str()}), bare);
    const std::string given = resolved({"program", "--head", "h", "--other"});
    EXPECT_EQ(given, "[eval]\nhead = 'h'\nother = true\n");
    EXPECT_EQ(resolved({"program", "--config", study(given).c_str()}), given);
}

TEST_F(CommandLineTest, TheResolvedConfigurationHasTheTypesOfToml) {
    Program program;
    program.parse({"--batch-size", "+8", "--learning-rate", "3", "--force"});
    EXPECT_EQ(program.resolved(),
              "[train]\n"
              "batch_size = 8\n"
              "force = true\n"
              "heads = [ 'one', 'two' ]\n"
              "learning_rate = 3.0\n"
              "model = 'none'\n"
              "seed = [ 1 ]\n"
              "task = 'span'\n");
}

TEST_F(CommandLineTest, AnOptionOfWordsTakesThemFromFlagsAndKeysAndNamesThemInErrorsAndHelp) {
    EXPECT_EQ(Program().parse({"--task", "classification"}).task, Task::classification);
    EXPECT_EQ(Program().parse({"--config", study("[train]\ntask = \"classification\"\n")}).task,
              Task::classification);
    EXPECT_EQ(Program().parse({}).other, std::nullopt);
    Program flag;
    BV_EXPECT_ERROR(flag.parse({"--task", "spam"}), "--task", "spam", "span,classification");
    Program key;
    BV_EXPECT_ERROR(key.parse({"--config", study("[train]\nother = \"spam\"\n")}), "--other", "spam",
                    "span,classification");
    Program help;
    try {
        help.parse({"--help"});
        FAIL() << "--help must not start the program";
    } catch (const Answered& answer) {
        EXPECT_THAT(answer.text, testing::HasSubstr("--task TEXT:{span,classification}"));
    }
}

}  // namespace
}  // namespace bv
