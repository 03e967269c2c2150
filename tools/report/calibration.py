"""Whether a system knows when it is right: calibration, and answering only the questions that it is most sure of.

`confidence` (Q), from 0 to 1, is the probability that a system gives to its answer; `correct` (Q) is bool: whether that answer is
right (QuestionRecords.correct). Scores are from 0 to 1, not percent.
"""

from dataclasses import dataclass

import numpy as np

BINS = 15
COVERAGE = 0.8


def confidence_of(records, threshold=None):
    """(Q) the probability of the answer at this threshold (by default as given): for span the share of that answer, "none" or the
    best span, in the softmax over the question's candidates; for classification that of the class. The answer need not be the
    likeliest one: a threshold other than 0 gives answers with a low confidence."""
    none = records["none_probability"].astype(np.float64)
    span = records["span_probability"].astype(np.float64) if records.task == "span" else 1 - none
    return np.where(records.says_none(threshold), none, span)


@dataclass(frozen=True, eq=False)
class Reliability:
    """The reliability diagram: B bins of confidence, all of one width, and their contents."""

    edges: np.ndarray  # (B + 1), from 0 to 1
    counts: np.ndarray  # (B) questions
    confidence: np.ndarray  # (B) mean; NaN in an empty bin
    accuracy: np.ndarray  # (B) share of right answers; NaN in an empty bin

    @property
    def error(self):
        """The expected calibration error: the mean over questions of their bin's |accuracy - confidence|."""
        filled = self.counts > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float(np.average(gaps, weights=self.counts[filled])) if filled.any() else 0.0


def reliability(confidence, correct, bins=BINS):
    """The Reliability of answers (Guo et al. 2017). A confidence at an edge belongs to the bin below it."""
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, values, bins) / counts for values in (confidence, correct)]
    return Reliability(edges, counts, *means)


def risk_coverage(confidence, correct):
    """Coverage and risk (K each, coverage ascending) with the questions answered from the most confident on, at each of K
    different confidences: coverage = share answered, risk = share of these that is wrong (El-Yaniv and Wiener 2010)."""
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.diff(confidence[order]) != 0, True)
    answered = np.flatnonzero(last) + 1
    wrong = np.cumsum(~correct[order])[last]
    return answered / len(order), wrong / answered


def accuracy_at(confidence, correct, coverage=COVERAGE):
    """The accuracy where only this share of the questions, the most confident, is answered. Of equally confident questions, where
    they do not all fit, as many are taken as right as are right among all of them."""
    taken = coverage * len(confidence)
    covered, risk = risk_coverage(confidence, correct)
    answered = np.concatenate([[0.0], covered * len(confidence)])
    right = np.concatenate([[0.0], (1 - risk) * covered * len(confidence)])
    return float(np.interp(taken, answered, right) / taken)


def area_under_risk(confidence, correct):
    """The mean risk over all coverages (AURC, Geifman, Uziel and El-Yaniv 2019); lower is better. Of equally confident questions
    each counts with the risk of all of them answered."""
    coverage, risk = risk_coverage(confidence, correct)
    return float(np.sum(risk * np.diff(coverage, prepend=0.0)))
