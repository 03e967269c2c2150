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

/// Local: the id of the first question whose logits are not finite; no value when all are finite.
std::optional<std::string> question_not_finite(const Features& features, const Logits& logits);

/// Local: throws Error, which names the first question whose logits are not finite. `source` is the name of
/// the model or head that made them.
void require_finite(const Features& features, const Logits& logits, const std::string& source);

/// A head, and the number of the first state of the source that it reads. From there on it reads
/// `head->states()` states.
struct ReadingHead {
    const Head* head = nullptr;
    std::int64_t first_state = 0;
};

/// Collective: returns on every rank the logits of `heads` for all features of `source`, in the order of the
/// features. The heads are on `device` and are all for the source's task. If a `Head` computes K heads, their
/// K logits follow one another. Each rank reads its part of the states once for all heads, `batch` sequences
/// at a time. `when` says whether the stop signal ends this work; if it does, all ranks throw Stopped. Throws
/// Error, which names the store, only on the rank that reads a damaged block. Throws std::runtime_error when
/// MPI or NCCL fails.
std::vector<Logits> predict_heads(const std::vector<ReadingHead>& heads, const StateSource& source,
                                  std::int64_t batch, at::Device device, const Communicator& ranks,
                                  Collective& collective, WhenTold when = WhenTold::go_on);

/// Local: the number of the first state of `info` that a head of `origin` reads.
std::int64_t first_state(const Head& head, const HeadOrigin& origin, const StoreInfo& info);

/// Local: throws Error unless the head can read these states. They must have the head's task and width, and
/// its layers (a head for each layer needs only its own). The message names `source`, what was found and
/// what the head expects. States of another checkpoint than that of `origin` are an Error too, unless
/// `allow_other_checkpoint`. Returns whether the checkpoint is another one.
bool require_head_fits(const Head& head, const HeadOrigin& origin, const StateSource& source,
                       bool allow_other_checkpoint);

}  // namespace bv
