#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/numbers.hpp"
#include "core/words.hpp"

namespace CLI {  // CLI11 stays in command_line.cpp: each file that sees its headers compiles seconds longer
class App;
class Option;
}  // namespace CLI

namespace bv {

/// CommandLine::parse throws it for --help: the program prints `text` to standard output and ends with exit
/// code 0.
struct Answered {
    std::string text;
};

/// An option or argument that a CommandLine has declared. These functions add conditions, which
/// CommandLine::parse checks. Each returns the same option.
class Option {
  public:
    /// The user must give it.
    Option required() const;

    /// Its value must be one of these words.
    Option one_of(std::vector<std::string> words) const;

    /// Its value must be one of these numbers; if it has several values, each of them must be.
    Option check(const Numbers& numbers) const;

    /// The user may write several values as one word, with `mark` between them.
    Option delimiter(char mark) const;

    /// The user may give it only together with `other`.
    Option needs(const Option& other) const;

    /// Its value is the path of a file that the program writes, perhaps in place of what is there. So parse
    /// refuses the path if another text or path of the command line names the same file or one that is
    /// written beside it, or if a device or
    /// another special file is there. It refuses a link too, unless the link leads to a file and --force is
    /// not given: then no file is replaced.
    Option output_file() const;

  private:
    friend class CommandLine;

    Option(CLI::Option* declared, std::vector<CLI::Option*>* output_files)
        : declared_(declared), output_files_(output_files) {}

    CLI::Option* declared_;
    std::vector<CLI::Option*>* output_files_;
};

/// A program's flags, and the TOML table that may set them. `--config STUDY.toml` reads the table with the
/// program's name without "bv_", for example [finetune]. A flag overrides its key. Keys are the flags' long
/// names with underscores in place of hyphens; hyphens are understood too.
class CommandLine {
  public:
    /// `program` as in "bv_finetune"; `description` heads --help, `examples` ends it.
    CommandLine(std::string program, std::string description, std::string examples = "");

    ~CommandLine();

    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    /// Declares --name for `value`, whose current content is the default shown by --help. A bool becomes a
    /// flag; the other types are int, std::int64_t, std::string, std::filesystem::path, double,
    /// std::uint64_t, and std::vector of the last four.
    template <class T>
    Option option(const std::string& name, T& value, const std::string& help);

    /// The same for an enum with words (core/words.hpp): the user gives one of these words. A std::optional
    /// stays empty if the user gives none.
    template <HasWords E>
    Option option(const std::string& name, E& value, const std::string& help) {
        return option_of_words(
            name, words_of<E>(), [&value] { return to_string(value); },
            [&value](const std::string& word) { value = bv::parse<E>(word); }, help);
    }
    template <HasWords E>
    Option option(const std::string& name, std::optional<E>& value, const std::string& help) {
        return option_of_words(
            name, words_of<E>(), [&value] { return value ? to_string(*value) : ""; },
            [&value](const std::string& word) { value = bv::parse<E>(word); }, help);
    }

    /// Declares an argument without a name. Arguments are given in the order in which they are declared. T is
    /// std::string or std::filesystem::path.
    template <class T>
    Option argument(const std::string& name, T& value, const std::string& help);

    /// If the user gives the unknown flag or key `name`, the error names the flag `known`, even if other
    /// names are more similar: users look for `known` by that name.
    void sought_as(const std::string& name, const std::string& known);

    /// Reads the command line and the table. Throws Answered for --help. Throws Error for an unknown flag, a
    /// bad value, an output file that must not be written (Option::output_file), or an unknown key of the
    /// program's table; then it names the file, the line and the nearest known key.
    void parse(int argc, const char* const* argv);

    /// The final values of all options as the program's TOML table, with TOML's types. It is written beside
    /// every result, and gives the same values when it is read as --config. The variables of the options must
    /// still live. Left out are options with an empty text or list, and options that need another option and
    /// were not given.
    std::string resolved() const;

    /// The file that --config names; empty without --config.
    std::string config_file() const;

    /// The program's name.
    const std::string& program() const { return program_; }

  private:
    struct Settings;

    /// The table of a study file that is the program's: its name without "bv_".
    std::string table() const;

    void check_output(const CLI::Option& output) const;

    Option option_of_words(const std::string& name, std::vector<std::string> words,
                           const std::function<std::string()>& get,
                           std::function<void(const std::string&)> set, const std::string& help);

    std::string program_;
    std::map<std::string, std::string> sought_as_;
    std::vector<CLI::Option*> output_files_;
    std::vector<const CLI::Option*> texts_;  // options and arguments whose values may be paths
    std::unique_ptr<CLI::App> app_;
    std::unique_ptr<Settings> settings_;
};

}  // namespace bv
