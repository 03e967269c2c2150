#include "programs/shared/provenance.hpp"

#include <array>
#include <cstdlib>
#include <ctime>

#include "core/host_name.hpp"
#include "io/files.hpp"
#include "programs/shared/version.hpp"

namespace bv {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// Slurm's name of this job; empty where there is none. A task of an array has the id of the array.
std::string job_name() {
    const std::string array = variable("SLURM_ARRAY_JOB_ID");
    const std::string task = variable("SLURM_ARRAY_TASK_ID");
    return array.empty() || task.empty() ? variable("SLURM_JOB_ID") : array + "_" + task;
}

std::string now() {
    const std::time_t seconds = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace

nlohmann::ordered_json made_by(const std::string& program) {
    nlohmann::ordered_json made{{"program", program},
                                {"version", built_from.version},
                                {"commit", built_from.commit},
                                {"host", host_name()}};
    if (const std::string job = job_name(); !job.empty()) made["job"] = job;
    made["time"] = now();
    return made;
}

nlohmann::ordered_json source_of(const std::filesystem::path& file) {
    return source_of(file, fingerprint(read_file(file)));
}

nlohmann::ordered_json source_of(const std::filesystem::path& path, const std::string& fingerprint) {
    return {{"path", path.string()}, {"fingerprint", fingerprint}};
}

}  // namespace bv
