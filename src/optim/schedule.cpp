#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace bv {

Schedule::Schedule(ScheduleKind kind, double peak, std::int64_t warm_up_steps, std::int64_t total_steps)
    : kind_(kind), peak_(peak), warm_up_steps_(warm_up_steps), total_steps_(total_steps) {
    BV_EXPECT(warm_up_steps >= 0 && warm_up_steps <= total_steps);
}

double Schedule::rate(std::int64_t step) const {
    if (kind_ == ScheduleKind::constant) return peak_;
    const auto share = [](std::int64_t part, std::int64_t whole) {
        return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1));
    };
    if (step < warm_up_steps_) return peak_ * share(step, warm_up_steps_);
    return peak_ * share(std::max<std::int64_t>(total_steps_ - step, 0), total_steps_ - warm_up_steps_);
}

std::int64_t warm_up_steps(double share, std::int64_t total_steps) {
    if (!(share >= 0 && share <= 1)) fail("the warm-up's share of all steps is {}; expected 0 to 1", share);
    // A decimal number such as 0.29 is not an exact double. The error of the product is far below this
    // tolerance.
    const double kTolerance = 1e-6;
    return static_cast<std::int64_t>(std::floor(share * static_cast<double>(total_steps) + kTolerance));
}

}  // namespace bv
