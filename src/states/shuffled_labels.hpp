#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/task.hpp"
#include "states/state_source.hpp"

namespace bv {

/// (F each) the first and the last token of each feature's answer, as in Features: 0 and 0 mean "none".
struct Labels {
    std::vector<std::int32_t> start;
    std::vector<std::int32_t> end;
};

/// Labels that have lost their relation to the texts, for a control: a head that is trained on them can learn
/// how frequent labels are, and nothing else. A head knows something only as far as it is better than its
/// control. Only features of questions q with `questions[q]` true get other labels.
///
/// Each of these features gets the answer's length in tokens, or "none", of another one of them: one random
/// circle goes through all, and each takes the length of the next. A random place within the context is drawn
/// for the answer, which is cut if the context is shorter. So the number of features with an answer stays the
/// same, and the number of answers of each length too, except for answers that are cut. The classes of the
/// classification task follow from these labels, as they do in training without a control.
///
/// The result depends on the arguments alone: not on the number of ranks, nor on batches.
///
/// After the selectivity of Hewitt and Liang (2019), "Designing and Interpreting Probes with Control Tasks".
/// There the control's labels are a random function of the word, and the probe is scored on such labels too:
/// that measures how much it can memorise. Here the labels follow from nothing, and the head is scored on
/// true labels: that is the score which frequencies alone give to this head after this training.
Labels shuffled_labels(const Features& features, const std::vector<bool>& questions, std::uint64_t seed);

/// Local: the states of source `whole` in batches with other `labels`. Its table of features keeps the labels
/// of `whole`. `whole` must outlive the result.
std::unique_ptr<StateSource> with_labels(const StateSource& whole, Labels labels);

}  // namespace bv
