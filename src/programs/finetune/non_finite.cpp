#include "programs/finetune/non_finite.hpp"

#include <cmath>

#include <fmt/format.h>

namespace bv {

std::string non_finite_message(std::int64_t step, double own_loss, const std::vector<std::int64_t>& share,
                               const Features& features, const Communicator& ranks) {
    const bool loss_is_finite = std::isfinite(ranks.sum(own_loss));
    std::string mine;
    if (loss_is_finite || !std::isfinite(own_loss)) {
        std::string ids;
        for (const std::int64_t f : share) {
            const auto question = features.question_of[static_cast<std::size_t>(f)];
            ids += " " + features.questions[static_cast<std::size_t>(question)].id;
        }
        if (!ids.empty()) mine = fmt::format("; rank {}:{}", ranks.rank(), ids);
    }
    std::string where;
    for (const std::string& rank : ranks.gather(mine)) where += rank;
    return fmt::format("step {}: {} not finite; questions of its batch{}", step + 1,
                       loss_is_finite ? "the gradient is" : "the loss is", where);
}

}  // namespace bv
