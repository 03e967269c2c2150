#include "programs/eval/result_files.hpp"

#include <algorithm>
#include <system_error>

#include "io/files.hpp"
#include "squad/scoring/question_records.hpp"

namespace bv {

void remove_results(const std::filesystem::path& output, const std::vector<std::filesystem::path>& inputs) {
    for (const char* name : {"metrics.json", "predictions.json", "nbest_predictions.json", "null_odds.json",
                             "na_probs.json", kQuestionRecords, "logits.safetensors"}) {
        const std::filesystem::path file = output / name;
        const bool is_input = std::ranges::any_of(inputs, [&](const std::filesystem::path& input) {
            std::error_code absent;
            return std::filesystem::equivalent(file, input, absent);
        });
        if (!is_input) remove_file(file);
    }
}

}  // namespace bv
