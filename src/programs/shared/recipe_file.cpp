#include "programs/shared/recipe_file.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "io/json_file.hpp"

namespace bv {

using Json = nlohmann::json;

constexpr const char* kPrecision = "precision";

std::string objection_to(const std::filesystem::path& run, const std::filesystem::path& path,
                         const Json& here) {
    Json there;
    try {
        there = JsonFile(path).place().value();
    } catch (const Error& damage) {
        return fmt::format("the recipe of an earlier run is damaged: {}", damage.what());
    }
    // A recipe has no key for a setting that it does not use. So a key that only one recipe has is a
    // difference too.
    Json either = there;
    either.update(here);
    std::string text;
    for (const auto& [key, any] : either.items()) {
        // With auto this run takes the recorded precision.
        if (key == kPrecision && !here.contains(key)) continue;
        const Json earlier = there.value(key, Json());
        const Json present = here.value(key, Json());
        if (earlier != present) {
            text += fmt::format("{}{} {} there, {} here", text.empty() ? "" : "; ", key, earlier.dump(),
                                present.dump());
        }
    }
    return text.empty() ? "" : fmt::format("{} belongs to another run: {}", run.string(), text);
}

std::string recorded_precision(const std::filesystem::path& path) {
    return JsonFile(path).place().get<std::string>(kPrecision);
}

}  // namespace bv
