// A study's TOML file: the table [study], and those of the programs.
#include "frame.hpp"
#include "programs/plan/study.hpp"

void bv::fuzz::read(std::string_view input) {
    read_study(write("study.toml", input));
}
