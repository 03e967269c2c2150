#include "config/command_line.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "config/output_check.hpp"
#include "config/program_table.hpp"
#include "core/error.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"
#include "io/toml.hpp"

namespace bv {
namespace {

/// Hands one program's table of a study file to CLI11, whose own reader understands only part of TOML.
class TomlConfig : public CLI::Config {
  public:
    TomlConfig(std::string table, KnownOptions known) : table_(std::move(table)), known_(std::move(known)) {}

    std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

    void read_from(std::string path) { path_ = std::move(path); }
    const std::string& path() const { return path_; }

    std::vector<CLI::ConfigItem> from_config(std::istream& stream) const override {
        std::vector<CLI::ConfigItem> entries;
        for (TableEntry& entry : read_program_table(stream, path_, table_, known_)) {
            CLI::ConfigItem& item = entries.emplace_back();
            item.name = std::move(entry.option);
            item.inputs = std::move(entry.values);
        }
        return entries;
    }

  private:
    std::string table_;
    KnownOptions known_;
    std::string path_;
};

/// Throws Error if a value is not UTF-8: results name inputs in TOML and JSON, which hold only UTF-8.
void require_utf8(const CLI::Option& option) {
    using Json = nlohmann::json;
    for (const std::string& value : option.results()) {
        try {
            static_cast<void>(Json(value).dump());
        } catch (const Json::exception&) {
            fail("{}: {} is no UTF-8: give it another name", option.get_name(),
                 Json(value).dump(-1, ' ', false, Json::error_handler_t::replace));
        }
    }
}

bool is_own_option(const CLI::Option* option) {
    return !option->get_lnames().empty() && option->get_lnames()[0] != "help" &&
           option->get_lnames()[0] != "config" && option->get_lnames()[0] != "version";
}

/// The type of one value of an option. An option may have several values.
template <class T>
struct Item {
    using type = T;
};
template <class T>
struct Item<std::vector<T>> {
    using type = T;
};

/// The values as a flag takes them: "1,2". CLI11's own text ("[1,2]") depends on the headers that are
/// included before it.
template <class Value>
std::string list_text(const std::vector<Value>& values) {
    std::ostringstream text;
    for (const Value& value : values) text << (text.tellp() == 0 ? "" : ",") << value;
    return text.str();
}

/// `value` as one of TOML's types.
template <class Value>
auto toml_value(const Value& value) {
    if constexpr (std::is_same_v<Value, std::filesystem::path>) {
        return toml::value(value.string());
    } else if constexpr (std::is_same_v<Value, int>) {
        return toml::value(std::int64_t{value});
    } else {
        return toml::value(value);
    }
}

template <class Value>
void insert(toml::table& table, const std::string& key, const Value& value) {
    if constexpr (std::is_same_v<Value, std::string> || std::is_same_v<Value, std::filesystem::path>) {
        if (value.empty()) return;
    }
    // TOML's whole numbers are below 2^63: larger ones become texts.
    if constexpr (std::is_same_v<Value, std::uint64_t>) {
        if (!std::in_range<std::int64_t>(value)) return insert(table, key, std::to_string(value));
        insert(table, key, static_cast<std::int64_t>(value));
    } else {
        table.insert(key, toml_value(value));
    }
}

template <class Value>
void insert(toml::table& table, const std::string& key, const std::vector<Value>& values) {
    if (values.empty()) return;
    toml::array list;
    for (const Value& value : values) {
        toml::table one;
        insert(one, key, value);
        list.push_back(*one.get(key));
    }
    table.insert(key, std::move(list));
}

}  // namespace

Option Option::required() const {
    declared_->required();
    return *this;
}

Option Option::one_of(std::vector<std::string> words) const {
    declared_->check(CLI::IsMember(std::move(words)));
    return *this;
}

Option Option::check(const Numbers& numbers) const {
    declared_->check(CLI::Validator([numbers](const std::string& text) { return numbers.complaint(text); },
                                    "[" + numbers.text + "]"));
    return *this;
}

Option Option::delimiter(char mark) const {
    declared_->delimiter(mark);
    return *this;
}

Option Option::needs(const Option& other) const {
    declared_->needs(other.declared_);
    return *this;
}

Option Option::output_file() const {
    output_files_->push_back(declared_);
    return *this;
}

/// For each option a function that writes its value into a table.
struct CommandLine::Settings {
    const CLI::App* app;
    std::vector<std::function<void(toml::table&)>> writers;

    void add(const std::string& name, std::function<void(toml::table&, const std::string&)> write) {
        writers.emplace_back([this, name, key = key_of(name), write = std::move(write)](toml::table& table) {
            const CLI::Option* option = app->get_option_no_throw("--" + name);
            // Whoever reads it back may not have the option that this one needs.
            const bool left_out = option != nullptr && !option->get_needs().empty() && option->count() == 0;
            if (!left_out) write(table, key);
        });
    }
};

CommandLine::CommandLine(std::string program, std::string description, std::string examples)
    : program_(std::move(program)),
      app_(std::make_unique<CLI::App>(std::move(description), program_)),
      settings_(std::make_unique<Settings>(app_.get())) {
    app_->set_config("--config", "", "TOML study file; flags override what its table [" + table() + "] says");
    // It is declared only so that --help shows it: main answers it before MPI starts.
    const std::string help = "Print version, commit, compiler and versions of libraries, and end";
    app_->add_flag("--version", help);
    app_->footer(std::move(examples));
    app_->option_defaults()->always_capture_default();
}

CommandLine::~CommandLine() = default;

std::string CommandLine::table() const {
    return program_.substr(program_.find('_') + 1);
}

template <class T>
Option CommandLine::option(const std::string& name, T& value, const std::string& help) {
    settings_->add(name, [&value](toml::table& table, const std::string& key) { insert(table, key, value); });
    if constexpr (std::is_same_v<T, bool>) {
        return {app_->add_flag("--" + name, value, help), &output_files_};
    } else {
        using Value = typename Item<T>::type;
        CLI::Option* option = app_->add_option("--" + name, value, help)->capture_default_str();
        if constexpr (!std::is_same_v<Value, T>) option->default_str(list_text(value));
        if constexpr (!std::is_arithmetic_v<Value>) texts_.push_back(option);
        if constexpr (std::is_arithmetic_v<Value>) {
            option->transform(CLI::Validator(number_complaint<Value>, ""));
        }
        return {option, &output_files_};
    }
}

Option CommandLine::option_of_words(const std::string& name, std::vector<std::string> words,
                                    const std::function<std::string()>& get,
                                    std::function<void(const std::string&)> set, const std::string& help) {
    settings_->add(name, [get](toml::table& table, const std::string& key) { insert(table, key, get()); });
    const auto take = [set = std::move(set)](const CLI::results_t& found) {
        set(found.back());
        return true;
    };
    CLI::Option* option = app_->add_option("--" + name, CLI::callback_t(take), help, true, get);
    option->type_name("TEXT");
    return Option(option, &output_files_).one_of(std::move(words));
}

template <class T>
Option CommandLine::argument(const std::string& name, T& value, const std::string& help) {
    CLI::Option* option = app_->add_option(name, value, help);
    texts_.push_back(option);
    return {option, &output_files_};
}

template Option CommandLine::option(const std::string&, bool&, const std::string&);
template Option CommandLine::option(const std::string&, int&, const std::string&);
template Option CommandLine::option(const std::string&, std::int64_t&, const std::string&);
template Option CommandLine::option(const std::string&, std::uint64_t&, const std::string&);
template Option CommandLine::option(const std::string&, double&, const std::string&);
template Option CommandLine::option(const std::string&, std::string&, const std::string&);
template Option CommandLine::option(const std::string&, std::filesystem::path&, const std::string&);
template Option CommandLine::option(const std::string&, std::vector<double>&, const std::string&);
template Option CommandLine::option(const std::string&, std::vector<std::uint64_t>&, const std::string&);
template Option CommandLine::option(const std::string&, std::vector<std::string>&, const std::string&);
template Option CommandLine::option(const std::string&, std::vector<std::filesystem::path>&,
                                    const std::string&);
template Option CommandLine::argument(const std::string&, std::string&, const std::string&);
template Option CommandLine::argument(const std::string&, std::filesystem::path&, const std::string&);

void CommandLine::sought_as(const std::string& name, const std::string& known) {
    sought_as_.emplace(name, known);
}

void CommandLine::parse(int argc, const char* const* argv) {
    KnownOptions known{{}, sought_as_};
    for (const CLI::Option* option : app_->get_options()) {
        if (is_own_option(option)) known.names.push_back(option->get_lnames()[0]);
    }
    auto reader = std::make_shared<TomlConfig>(table(), known);
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--config" && i + 1 < argc) reader->read_from(argv[i + 1]);
        if (word.starts_with("--config=")) reader->read_from(word.substr(9));
    }
    app_->config_formatter(reader);
    try {
        app_->parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        throw Answered{app_->help()};
    } catch (const CLI::FileError& wrong) {
        read_file(reader->path());  // throws Error with the reason if the file cannot be read
        fail("{}; see {} --help", wrong.what(), program_);
    } catch (const CLI::ParseError& wrong) {
        // CLI11 looks for missing flags first. But whoever writes an unknown flag has often misspelt a known
        // one.
        if (!app_->remaining().empty()) {
            const std::string extra = app_->remaining().front();
            if (!extra.starts_with("--")) fail("unexpected argument '{}'; see {} --help", extra, program_);
            const std::string name = extra.substr(2, extra.find('=') - 2);
            fail("unknown flag '{}'; the nearest known one is '--{}'", extra, known.likely(name));
        }
        fail("{}; see {} --help", wrong.what(), program_);
    }
    for (const CLI::Option* option : app_->get_options()) require_utf8(*option);
    for (const CLI::Option* output : output_files_) check_output(*output);
}

void CommandLine::check_output(const CLI::Option& output) const {
    if (output.count() == 0) return;
    const CLI::Option* force = app_->get_option_no_throw("--force");
    require_no_special_file(output, force != nullptr && force->count() > 0 && force->as<bool>());
    const CLI::Option* config = app_->get_config_ptr();
    for (const CLI::Option* other : texts_) {
        if (other == &output) continue;
        const bool is_output = std::ranges::find(output_files_, other) != output_files_.end();
        require_other_file(output, *other, is_output);
    }
    require_other_file(output, *config, false, table());
}

std::string CommandLine::config_file() const {
    const CLI::Option* option = app_->get_config_ptr();
    return option->count() == 0 ? "" : option->as<std::string>();
}

std::string CommandLine::resolved() const {
    toml::table settings;
    for (const auto& write : settings_->writers) write(settings);
    std::ostringstream text;
    text << toml::table{{table(), std::move(settings)}} << "\n";
    return text.str();
}

}  // namespace bv
