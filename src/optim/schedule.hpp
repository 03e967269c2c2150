#pragma once

#include <cstdint>

#include "core/words.hpp"

namespace bv {

/// How the learning rate changes over training.
enum class ScheduleKind {
    constant,  ///< always the peak
    linear     ///< rises from 0 during the warm-up, then falls to 0 at the end
};

template <>
struct Words<ScheduleKind> {
    static constexpr std::string_view kKind = "schedule";
    static constexpr std::array<std::string_view, 2> kWords{"constant", "linear"};
};

/// The learning rate of every step. Linear is get_linear_schedule_with_warmup of Hugging Face Transformers.
class Schedule {
  public:
    /// `total_steps` is the step of the last checkpoint. A constant schedule has no warm-up.
    Schedule(ScheduleKind kind, double peak, std::int64_t warm_up_steps, std::int64_t total_steps);

    /// The rate of the update that follows `step` earlier ones. With a warm-up, rate(0) is 0.
    double rate(std::int64_t step) const;

  private:
    ScheduleKind kind_;
    double peak_;
    std::int64_t warm_up_steps_;
    std::int64_t total_steps_;
};

/// floor(share x total_steps). `share` counts as the decimal number that the user wrote: 0.29 of 100 is 29.
/// Throws Error unless 0 <= share <= 1.
std::int64_t warm_up_steps(double share, std::int64_t total_steps);

}  // namespace bv
