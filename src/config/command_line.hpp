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

/// Thrown by CommandLine::parse for --help: `text` goes to standard output, exit code 0.
struct Answered {
    std::string text;
};

/// An option or argument that a CommandLine has declared. What is asked of it here, CommandLine::parse
/// checks.
class Option {
  public:
    explicit Option(CLI::Option* declared) : declared_(declared) {}

    /// The user must give it.
    Option required() const;

    /// It takes one of these words.
    Option one_of(std::vector<std::string> words) const;

    /// It takes these numbers; so does each of its values where it has several.
    Option check(const Numbers& numbers) const;

    /// Several values may stand in one word with `mark` between them.
    Option delimiter(char mark) const;

    /// The user may give it only where `other` is given too.
    Option needs(const Option& other) const;

  private:
    CLI::Option* declared_;
};

/// A program's flags, and the TOML table that may set them: `--config STUDY.toml` reads the table named as
/// the program without its "bv_" prefix ([finetune], say); a flag overrides its key; keys are the flags' long
/// names with underscores for hyphens (hyphens are understood too).
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

    /// The same for an enum with words (core/words.hpp), which takes these. One that is optional has no value
    /// where the user names none.
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

    /// Declares an argument that stands without a name; the first declared comes first. T is std::string or
    /// std::filesystem::path.
    template <class T>
    Option argument(const std::string& name, T& value, const std::string& help);

    /// An unknown flag or key `name` is answered with the flag `known`, whatever names are nearer to it:
    /// users look for `known` by that name.
    void sought_as(const std::string& name, const std::string& known);

    /// Throws Answered for --help, Error for anything wrong: an unknown flag, a bad value, an unknown key of
    /// the program's table (naming the nearest known one, the file and the line).
    void parse(int argc, const char* const* argv);

    /// The values every option ended up with, as the program's TOML table with TOML's types; written beside
    /// every result. Read back as --config it gives the same values. Options must still live; those that hold
    /// nothing (an empty text or list) are left out.
    std::string resolved() const;

    /// The file that --config named, empty without one.
    std::string config_file() const;

    /// The program's name.
    const std::string& program() const { return program_; }

  private:
    struct Settings;

    /// The table of a study file that is the program's: its name without "bv_".
    std::string table() const;

    Option option_of_words(const std::string& name, std::vector<std::string> words,
                           std::function<std::string()> get, std::function<void(const std::string&)> set,
                           const std::string& help);

    std::string program_;
    std::map<std::string, std::string> sought_as_;
    std::unique_ptr<CLI::App> app_;
    std::unique_ptr<Settings> settings_;
};

/// The text of `key` in what `resolved` gave an older program, which wrote every value as a text; nothing
/// where it has no such text or is no TOML.
std::optional<std::string> setting_in(const std::string& resolved, const std::string& key);

}  // namespace bv
