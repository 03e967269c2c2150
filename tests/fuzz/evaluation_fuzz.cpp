// Another evaluation's folder, as bv_eval --compare reads it.
#include <cstdio>

#include "frame.hpp"
#include "io/json.hpp"
#include "programs/eval/compare.hpp"
#include "programs/eval/scored_model.hpp"

void bv::fuzz::read(std::string_view input) {
    [[maybe_unused]] static const auto* silent = std::freopen("/dev/null", "w", stdout);
    write_files(input, {"metrics.json", "questions.safetensors"});
    EvalOptions options;
    options.compare = {folder(), folder()};
    compare(options);
    const auto file = metrics_file(folder());
    scored_model(file, read_json(file));
}
