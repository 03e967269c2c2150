#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace bv {

/// Local: the member "made" of a result: "program", "version", "commit", "host", "job" (Slurm's, as
/// "<id>" or "<array id>_<task>"; absent where there is none) and "time", now, in UTC. Two runs that give the
/// same result differ in this member.
nlohmann::ordered_json made_by(const std::string& program);

/// Local: a file or folder as results name it: its "path" and its "fingerprint", which is computed from the
/// file if it is not given. The fingerprint of a checkpoint is that of its model; a store has the
/// fingerprint of the model that made its states.
nlohmann::ordered_json source_of(const std::filesystem::path& file);
nlohmann::ordered_json source_of(const std::filesystem::path& path, const std::string& fingerprint);

}  // namespace bv
