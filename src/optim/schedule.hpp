#pragma once

#include <cstdint>
#include <string_view>

namespace bv {

/// How the learning rate changes over training.
enum class ScheduleKind {
    constant,  ///< always the peak
    linear     ///< up from 0 over the warm-up, then down to 0 at the end
};

/// Reads "constant" or "linear". Throws Error, which names both, for any other word.
ScheduleKind schedule_named(std::string_view name);

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

/// floor(share x total_steps), with `share` meant as the decimal it was written as: 0.29 of 100 is 29. Throws
/// Error unless 0 <= share <= 1.
std::int64_t warm_up_steps(double share, std::int64_t total_steps);

}  // namespace bv
