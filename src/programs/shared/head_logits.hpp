#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include "comm/collective.hpp"
#include "comm/communicator.hpp"
#include "heads/head.hpp"
#include "heads/head_file.hpp"
#include "programs/shared/stopping.hpp"
#include "squad/scoring/logits.hpp"
#include "states/state_source.hpp"

namespace bv {

/// Logits of either task.
using Logits = std::variant<SpanLogits, ClassLogits>;

/// Local: the id of the first question whose logits are not finite; nothing where there is none.
std::optional<std::string> question_not_finite(const Features& features, const Logits& logits);

/// Local: throws Error naming the first question whose logits, which `source` made, are not finite.
void require_finite(const Features& features, const Logits& logits, const std::string& source);

/// A head, and the first of a source's states that it reads; as many follow as it has.
struct ReadingHead {
    const Head* head = nullptr;
    std::int64_t first_state = 0;
};

/// Collective: the logits of `heads` (on `device`, all of the source's task), one after another where several
/// are computed together, over all features of `source`, in the features' order, on every rank. Each rank
/// reads its part of the states once, for all heads, `batch` sequences at a time. `when` says whether the
/// stop signal ends it: then throws Stopped on all ranks.
std::vector<Logits> predict_heads(const std::vector<ReadingHead>& heads, const StateSource& source,
                                  std::int64_t batch, at::Device device, const Communicator& ranks,
                                  Collective& collective, WhenTold when = WhenTold::go_on);

/// Local: the first of the states that `info` names which a head of `origin` reads.
std::int64_t first_state(const Head& head, const HeadOrigin& origin, const StoreInfo& info);

/// Local: throws Error naming `source`, what was found and what the head expects, unless it can read these
/// states: same task, layers (of a head for each layer, its own among them) and width. States of another
/// checkpoint than `origin`'s are an Error too, unless `allow_other_checkpoint`. Returns whether the
/// checkpoint is another.
bool require_fit(const Head& head, const HeadOrigin& origin, const StateSource& source,
                 bool allow_other_checkpoint);

}  // namespace bv
