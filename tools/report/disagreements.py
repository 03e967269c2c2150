"""Where the official scorer and the reference work's scorer call a system's answers right and wrong: counted by reason, and listed.

The records hold the reason: the first one of src/squad/scoring/disagreements.hpp that applies. Right means an exact match.
"""

from dataclasses import dataclass

import numpy as np

# For each reason a sentence; in the order in which they are tried.
MEANINGS = {
    "reversed": 'The reference rule answers "none" because the likeliest end is before the likeliest start; the official '
    "answer is a span.",
    "threshold": 'One answer is "none" and the other is a span: the official rule compares the best span with "none" by a '
    "threshold, the reference rule takes the likeliest start and end.",
    "gold": 'Both answers are "none", but for one of the scorers nothing is left of the gold answer.',
    "normalisation": "Both answers have the same words; the official scorer compares words without articles, punctuation and "
    "case, the reference compares wordpieces.",
    "window": "The two answers come from different windows of a long context.",
    "span": "The two answers are different spans of one window.",
}


@dataclass(frozen=True)
class Reason:
    """The disagreements of one reason."""

    word: str  # a key of MEANINGS
    questions: int
    official_right: int  # of them: right by the official scorer and wrong by the reference
    points: float  # official EM less reference EM, in percent, that this reason makes; over all reasons, all of it

    @property
    def reference_right(self):
        return self.questions - self.official_right


@dataclass(frozen=True)
class Disagreement:
    """One question that the scorers disagree on; an answer "" is "none"."""

    id: str
    place: int  # of the question in the records
    word: str  # a key of MEANINGS
    official_right: bool
    official: str
    reference: str | None  # None where the answer has a token outside the context
    golds: list[str]


def count_reasons(records):
    """A Reason for each of MEANINGS, in order, of records of the span task (question_records.py)."""
    right = records.correct()
    found = []
    for word in MEANINGS:
        chosen = _of(records, word)
        official = int(right[chosen].sum())
        count = int(chosen.sum())
        found.append(Reason(word, count, official, 100 * (2 * official - count) / len(records)))
    return found


def list_disagreements(records, texts):
    """A Disagreement for every question that the scorers disagree on, by reason and then in the records' order. `texts`: the
    QuestionTexts of the same features. Throws RunError where they lack a question."""
    places = texts.places(records.ids)
    right, none = records.correct(), records.says_none()
    found = []
    for word in MEANINGS:
        for q in np.flatnonzero(_of(records, word)):
            own = places[q]
            official = "" if none[q] else texts.span(own, records["begin"][q], records["end"][q])
            outside = records["reference_begin"][q] < -1 or records["reference_end"][q] < -1
            reference = None if outside else texts.span(own, records["reference_begin"][q], records["reference_end"][q])
            golds = list(dict.fromkeys(answer.text for answer in texts.answers[own]))
            found.append(Disagreement(str(records.ids[q]), int(q), word, bool(right[q]), official, reference, golds))
    return found


def _of(records, word):
    """(Q) bool: the questions with this reason."""
    if word not in records.reasons:
        return np.zeros(len(records), bool)
    return records["disagreement"] == records.reasons.index(word)
