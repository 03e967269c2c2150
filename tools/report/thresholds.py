"""Thresholds on the score of "none": which one is used, what the best one would give, and precision against recall.

All functions take arrays over Q questions. `null_odds` (Q) is the evidence for "none", in any unit; `right` (Q), from 0 to 1, is
how right the best span is (EM or F1), never "none"; `answerable` (Q) is bool. The best threshold and the average precisions
follow the official script evaluate-v2.0.py (Rajpurkar, Jia and Liang 2018), as fractions rather than percent.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Headline:
    """The threshold that a system's scores are stated with, and the bound beside it. Scores are from 0 to 1."""

    threshold: float  # the answer is "none" above it; minus infinity: always "none"
    source: str  # "held-out": chosen on held-out training questions; "as given": the threshold of the evaluation
    exact: float
    f1: float
    best_threshold: float  # the best for F1 on these very questions: an optimistic bound, no result
    best_f1: float


def headline(records, held_out=None):
    """The Headline of a span system from its records (question_records.py). `held_out`: the object `official` of the same
    system's metrics on held-out questions (see `held_out_scores`), or None."""
    threshold = threshold_of(held_out)
    source = "as given" if threshold is None else "held-out"
    if threshold is None:
        threshold = records.null_threshold
    best_threshold, best_f1 = best(records.null_odds, records["f1"], records["answerable"])
    return Headline(threshold, source, float(records.correct(threshold).mean()), float(records.f1(threshold).mean()),
                    best_threshold, best_f1)


def held_out_scores(result, in_training, features):
    """The object `official` of a result of the run (run_model.Result) on held-out questions, None if there is none. A head has
    these scores in its metrics.json. For BERT they are the scores of its evaluation in training (one of `in_training`), unless that
    evaluation used the report's own questions, which have the fingerprint `features`."""
    if result.name != "BERT":
        return (result.scores.get("held_out") or {}).get("official")
    for other in in_training:
        same = (other.task, other.seed, other.epoch) == (result.task, result.seed, result.epoch)
        if same and other.scores.get("features") != features:
            return other.scores.get("official")
    return None


def threshold_of(official):
    """The threshold that gives the best F1, from an object `official` of metrics.json; None where it says none. The script
    writes 0 where no threshold is better than "none" to every question; here that is minus infinity."""
    if not official or "best_f1_thresh" not in official:
        return None
    nothing = 100 * official.get("NoAns_total", 0) / official["total"]
    return float(official["best_f1_thresh"]) if official["best_f1"] > nothing + 1e-9 else -np.inf


def best(null_odds, right, answerable):
    """The threshold with the highest mean score, and that score. Minus infinity where no threshold is better than "none" to
    every question. Of equal null odds each may be the last that is answered, as in the official script."""
    order = np.argsort(null_odds, kind="stable")
    gains = np.where(answerable, np.asarray(right, np.float64), -1.0)[order]
    nothing = float(np.count_nonzero(~answerable))
    sums = nothing + np.cumsum(gains)
    place = int(np.argmax(sums))
    if sums[place] <= nothing:
        return -np.inf, nothing / len(order)
    return float(null_odds[order[place]]), float(sums[place] / len(order))


def precision_recall(null_odds, right, answerable):
    """Precision and recall (K each, recall ascending) with the answers at each of the K different null odds accepted, from the
    lowest on: precision = sum of right / accepted, recall = sum of right / answerable questions. Empty where no question is
    answerable."""
    total = np.count_nonzero(answerable)
    if total == 0:
        return np.empty(0), np.empty(0)
    order = np.argsort(null_odds, kind="stable")
    sums = np.cumsum(np.where(answerable, np.asarray(right, np.float64), 0.0)[order])
    last = np.append(np.diff(null_odds[order]) != 0, True)  # of equal null odds: they are accepted together
    accepted = np.flatnonzero(last) + 1
    return sums[last] / accepted, sums[last] / total


def average_precision(null_odds, right, answerable):
    """The area under the precision-recall curve as a step function; 0 where no question is answerable. With EM, F1 and ones as
    `right` it is the script's pr_exact_ap, pr_f1_ap and pr_oracle_ap."""
    precision, recall = precision_recall(null_odds, right, answerable)
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def thinned(x, y, points=200):
    """At most so many places of a curve, evenly spread over them, the first and the last among them: for plots."""
    if len(x) <= points:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, points).round().astype(int))
    return x[kept], y[kept]


def histogram(null_odds, answerable, bins=40):
    """Edges (bins + 1) and the numbers of answerable and of other questions (bins each). The outermost half percents on either
    side are counted in the first and the last bin, so that a few far values do not flatten the rest."""
    low, high = np.quantile(null_odds, [0.005, 0.995])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    clipped = np.clip(null_odds, low, high)
    return edges, np.histogram(clipped[answerable], edges)[0], np.histogram(clipped[~answerable], edges)[0]
