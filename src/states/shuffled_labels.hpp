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

/// Local: labels without relation to the texts, for a control: a head that is trained on them can learn only
/// how frequent labels are. Only the features of questions q with `questions[q]` true get other labels.
/// `features` must be labelled.
///
/// These features are put into a random circle. Each gets the length of the next feature's answer in tokens,
/// or "none" if the next feature has no answer. A random place within the context is drawn
/// for the answer, which is cut if the context is shorter. So the number of features with an answer stays the
/// same, and the number of answers of each length too, except for answers that are cut. The classes of the
/// classification task follow from these labels, as they do in training without a control.
///
/// The result depends on the arguments alone: not on the number of ranks, nor on batches.
///
/// After the selectivity of Hewitt and Liang (2019), "Designing and Interpreting Probes with Control Tasks".
/// There the control's labels are a random function of the word, and the probe is scored on such labels too:
/// this measures how much it can memorise. Here the labels are random, and the head is scored on true labels:
/// this measures how far it gets by frequencies alone.
Labels shuffled_labels(const Features& features, const std::vector<bool>& questions, std::uint64_t seed);

/// Local: the states of source `whole` in batches with other `labels`. Its table of features keeps the labels
/// of `whole`. `whole` must outlive the result.
std::unique_ptr<StateSource> with_labels(const StateSource& whole, Labels labels);

}  // namespace bv
