#include "io/seal.hpp"

#include "core/error.hpp"
#include "io/files.hpp"

namespace bv {

std::string seal_of(nlohmann::json object) {
    object.erase(kSeal);
    return fingerprint(object.dump());
}

void require_seal(const JsonFile& file) {
    const nlohmann::json& object = file.place().value();
    const auto promised = object.find(kSeal);
    if (promised == object.end()) return;
    const std::string found = seal_of(object);
    if (*promised != found) {
        fail(
            "{}: it is damaged or was changed: its key '{}' is {}, but its other keys give {}; if the "
            "change was intended, delete the key '{}'",
            file.name(), kSeal, promised->dump(), found, kSeal);
    }
}

}  // namespace bv
