#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "core/numbers.hpp"

namespace bv {

/// Thrown by CommandLine::parse for --help: `text` goes to standard output, exit code 0.
struct Answered {
    std::string text;
};

/// A program's flags, and the TOML table that may set them: `--config STUDY.toml` reads the table named as
/// the program without its "bv_" prefix ([finetune], say); a flag overrides its key; keys are the flags' long
/// names with underscores for hyphens (hyphens are understood too).
class CommandLine {
  public:
    /// `program` as in "bv_finetune"; `description` heads --help, `examples` ends it.
    CommandLine(std::string program, std::string description, std::string examples = "");

    /// Declares --name for `value`, whose current content is the default shown by --help. Returns CLI11's
    /// option for ->required(), ->check(...) and so on; core/numbers.hpp has the checks of numbers. A bool
    /// becomes a flag.
    template <class T>
    CLI::Option* option(const std::string& name, T& value, const std::string& help) {
        if constexpr (std::is_same_v<T, bool>) {
            return app_.add_flag("--" + name, value, help);
        } else {
            CLI::Option* option = app_.add_option("--" + name, value, help)->capture_default_str();
            if constexpr (std::is_arithmetic_v<typename Item<T>::type>) {
                option->transform(CLI::Validator(number_complaint<typename Item<T>::type>, ""));
            }
            return option;
        }
    }

    /// Declares an argument that stands without a name; the first declared comes first.
    template <class T>
    CLI::Option* argument(const std::string& name, T& value, const std::string& help) {
        return app_.add_option(name, value, help);
    }

    /// Throws Answered for --help, Error for anything wrong: an unknown flag, a bad value, an unknown key of
    /// the program's table (naming the nearest known one, the file and the line).
    void parse(int argc, const char* const* argv);

    /// The values every option ended up with, as the program's TOML table; written beside every result.
    std::string resolved() const;

    /// The file that --config named, empty without one.
    std::string config_file() const;

    /// The program's name.
    const std::string& program() const { return program_; }

  private:
    /// The type of one value of an option, which may hold several.
    template <class T>
    struct Item {
        using type = T;
    };
    template <class T>
    struct Item<std::vector<T>> {
        using type = T;
    };

    std::string program_;
    CLI::App app_;
};

/// The value of `key` in what `resolved` gave a program, as text; nothing where it has none or is no TOML.
std::optional<std::string> setting_in(const std::string& resolved, const std::string& key);

}  // namespace bv
