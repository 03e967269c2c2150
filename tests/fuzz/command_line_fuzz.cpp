// A program's table of a study's TOML file.
#include "config/command_line.hpp"
#include "frame.hpp"

void bv::fuzz::read(std::string_view input) {
    const std::string path = write("study.toml", input).string();
    std::string text = "a";
    std::int64_t whole = 1;
    std::uint64_t seed = 1;
    double real = 0.5;
    bool truth = false;
    std::vector<std::string> texts;
    std::vector<std::uint64_t> wholes;
    CommandLine line("bv_finetune", "");
    line.option("model", text, "");
    line.option("batch", whole, "");
    line.option("seed", seed, "");
    line.option("learning-rate", real, "");
    line.option("force", truth, "");
    line.option("heads", texts, "");
    line.option("layers", wholes, "");
    const char* const words[]{"bv_finetune", "--config", path.c_str()};
    line.parse(3, words);
    line.resolved();
}
