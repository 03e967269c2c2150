#include "programs/finetune/run_totals.hpp"

#include <fmt/format.h>

namespace bv {

RunTotals::RunTotals(const nlohmann::json& earlier)
    : earlier_seconds_(earlier.at("seconds").get<double>()),
      earlier_rank_hours_(earlier.at("rank_hours").get<double>()),
      sequences_(earlier.at("sequences").get<std::int64_t>()),
      tokens_(earlier.at("tokens").get<std::int64_t>()) {}

void RunTotals::add(const StepBatch& batch) {
    sequences_ += batch.sequences;
    tokens_ += batch.tokens;
}

double RunTotals::rank_hours(double seconds, int ranks) const {
    return earlier_rank_hours_ + ranks * (seconds - earlier_seconds_) / 3600;
}

std::string RunTotals::speed_text(double seconds) const {
    return fmt::format("{:.1f} sequences/s, {:.0f} tokens/s", static_cast<double>(sequences_) / seconds,
                       static_cast<double>(tokens_) / seconds);
}

nlohmann::json RunTotals::json(double seconds, int ranks) const {
    return {{"seconds", seconds},
            {"rank_hours", rank_hours(seconds, ranks)},
            {"sequences", sequences_},
            {"tokens", tokens_}};
}

}  // namespace bv
