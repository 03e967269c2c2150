#include "programs/finetune/phase_clock.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/activity.hpp"

namespace bv {
namespace {

constexpr std::array<const char*, PhaseClock::count> kNames{"data",      "forward", "backward",  "all_reduce",
                                                            "optimizer", "saving",  "evaluation"};

/// The seconds of the first `phases` phases, by name.
nlohmann::json by_name(const std::array<double, PhaseClock::count>& seconds, std::size_t phases) {
    nlohmann::json json;
    for (std::size_t i = 0; i < phases; ++i) json[kNames[i]] = seconds[i];
    return json;
}

}  // namespace

void PhaseClock::begin(Phase first) {
    step_.fill(0);
    last_ = Clock::now();
    report_phase(kNames[first]);
}

double PhaseClock::end(Phase phase) {
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
    step_[phase] += seconds;
    report_phase(phase < optimizer ? kNames[phase + 1] : "");
    return seconds;
}

void PhaseClock::add() {
    for (std::size_t i = 0; i < count; ++i) all_[i] += step_[i];
}

void PhaseClock::restore(const nlohmann::json& all) {
    for (std::size_t i = 0; i < count; ++i) all_[i] = all.value(kNames[i], 0.0);
}

nlohmann::json PhaseClock::step() const {
    return by_name(step_, saving);
}

nlohmann::json PhaseClock::all() const {
    return by_name(all_, count);
}

std::string PhaseClock::shares() const {
    double whole = 0;
    for (const double seconds : all_) whole += seconds;
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        if (i == evaluation && all_[i] == 0) continue;
        text += fmt::format("{}{} {:.1f} %", i == 0 ? "" : ", ", kNames[i],
                            100 * all_[i] / std::max(whole, 1e-9));
    }
    return text;
}

}  // namespace bv
