// What an interrupted run left behind: its recipe, its state, its log, and records of heads' states.
#include "frame.hpp"
#include "optim/resume_state.hpp"
#include "programs/finetune/run_files.hpp"
#include "programs/shared/recipe_file.hpp"
#include "programs/train/run_files.hpp"

void bv::fuzz::read(std::string_view input) {
    write_files(input, {"resume/recipe.json", "resume/step-3/resume.json", "resume/step-3/state.safetensors",
                        "metrics/finetune.jsonl", "states-1.json"});
    fill_in_fingerprint("resume/step-3/resume.json", "resume/step-3/state.safetensors");
    const nlohmann::json recipe{{"task", "span"}, {"batch", 4}, {"precision", "float32"}};
    const auto path = folder() / "resume" / "recipe.json";
    if (std::filesystem::exists(path)) {
        const std::string objection = objection_to(folder(), path, recipe);
        if (!objection.empty()) fail("{}", objection);
        recorded_precision(path);
    }
    newest_resume_state(folder() / "resume");
    finish_head_states(folder(), {folder() / "head"});
    TuningFiles(folder(), folder() / "model", recipe, "", {}).begin(3);
}
