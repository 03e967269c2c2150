"""The fate of each question over a system's checkpoints, and the words that separate right answers from wrong ones.

`right` (E, Q) is bool: whether the answer to each of Q questions is right at each of E checkpoints, in their order.
"""

import re
from dataclasses import dataclass

import numpy as np

# The fate of a question is an index into these words.
FATES = ["always right", "learned", "forgotten", "never learned"]
ALWAYS, LEARNED, FORGOTTEN, NEVER = range(4)

# The fate of a question after its first right answer is an index into these words.
AFTERWARDS = ["never forgotten", "forgotten and learned again", "forgotten, wrong at the last", "never right"]

PRIOR = 500.0  # words that are taken as seen before, in the frequencies of all questions


@dataclass(frozen=True, eq=False)
class History:
    """The learning history of questions, by the terms of Toneva et al. 2019. Checkpoints are indices; -1 means no checkpoint."""

    fate: np.ndarray  # (Q) index into FATES. Learned: wrong before, right at the last; forgotten: right before, wrong at the last
    forgetting_events: np.ndarray  # (Q) how often right turned to wrong
    first_right: np.ndarray  # (Q) the first checkpoint at which the answer is right
    right_from: np.ndarray  # (Q) the checkpoint from which on the answer is right up to the last
    learned: np.ndarray  # (E) questions that turned from wrong to right at a checkpoint; at the first: that are right
    forgotten: np.ndarray  # (E) questions that turned from right to wrong

    def count(self, fate):
        """How many questions have this index into FATES."""
        return int(np.count_nonzero(self.fate == fate))


def history_of(right):
    """The History of questions."""
    checkpoints, _ = right.shape
    gained, lost = right[1:] & ~right[:-1], right[:-1] & ~right[1:]
    ever, last = right.any(axis=0), right[-1]
    fate = np.select([right.all(axis=0), last, ever], [ALWAYS, LEARNED, FORGOTTEN], NEVER)
    run = np.where(right.all(axis=0), checkpoints, np.argmin(right[::-1], axis=0))  # right answers at the end
    return History(
        fate,
        lost.sum(axis=0),
        np.where(ever, np.argmax(right, axis=0), -1),
        np.where(run > 0, checkpoints - run, -1),
        np.concatenate([[right[0].sum()], gained.sum(axis=1)]),
        np.concatenate([[0], lost.sum(axis=1)]),
    )


def learning_order(history):
    """(4, E + 1): the number of questions by their fate (an index into AFTERWARDS) and by the first checkpoint whose answer is right.
    The last column counts questions that are never right."""
    kind = np.select([history.fate == NEVER, history.forgetting_events == 0, history.right_from >= 0], [3, 0, 1], 2)
    counts = np.zeros((len(AFTERWARDS), len(history.learned) + 1), np.int64)
    np.add.at(counts, (kind, history.first_right), 1)  # -1 is the last place
    return counts


def order_agreement(first, second):
    """Spearman's correlation of the order in which two systems (their Histories, on the same questions) learn questions, by the
    first checkpoint that is right; a question never learned comes last (Hacohen, Choshen and Weinshall 2020). NaN where a system
    learns all at once."""
    places = [np.where(one.first_right < 0, len(one.learned), one.first_right) for one in (first, second)]
    if any((place == place[0]).all() for place in places):
        return float("nan")
    return float(np.corrcoef(*map(_ranks, places))[0, 1])  # scipy.stats.spearmanr takes a second to import


def _ranks(values):
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


@dataclass(frozen=True)
class Word:
    """How much a word of the questions speaks for a right answer."""

    word: str
    z: float  # log-odds ratio in standard errors: above 0 for right answers; beyond 2 either way it is hardly chance
    log_odds: float  # log of (odds of the word in rightly answered questions / in the others)
    right: int  # rightly answered questions with the word
    wrong: int  # the other questions with it


def words_of(text):
    """The words of a text, lower-case, each once. An apostrophe within a word belongs to it: "wasn't"."""
    return set(re.findall(r"\w+(?:['’]\w+)*", text.lower()))


def separating_words(questions, right, least=5, prior=PRIOR):
    """A Word for each word that is in at least `least` questions, from the one that speaks most for a right answer to the one
    that speaks most for a wrong one: log-odds ratios with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008), which
    keeps rare words from the ends. `questions` (Q): texts; `right` (Q): bool. A word counts once a question."""
    counts = {}
    for text, own in zip(questions, right, strict=True):
        for word in words_of(text):
            counts.setdefault(word, [0, 0])[int(own)] += 1
    if not counts:
        return []
    words = sorted(counts)
    wrong, good = np.array([counts[word] for word in words], np.float64).T
    total = wrong + good
    alpha = prior * total / total.sum()

    def log_odds(own):
        return np.log(own + alpha) - np.log(own.sum() + prior - own - alpha)

    delta = log_odds(good) - log_odds(wrong)
    z = delta / np.sqrt(1 / (good + alpha) + 1 / (wrong + alpha))
    kept = [place for place in np.argsort(-z, kind="stable") if total[place] >= least]
    return [Word(words[i], float(z[i]), float(delta[i]), int(good[i]), int(wrong[i])) for i in kept]
