"""Made-up answers of BERT and its heads, as records of questions.

A question is answered right where the system's ability, which grows over fine-tuning, is above the question's difficulty. Both
have noise that stays for some checkpoints, so that questions are learned, forgotten and learned again. What speaks for "none" is
learned in the same way, after a beginning in which everything is "none".
"""

import zlib

import numpy as np
from made_questions import ANSWERS, EXACT, NEAR

# The places of these words in the metadata's "disagreements", as bv_eval writes them.
REASONS = ["none", "reversed", "threshold", "gold", "normalisation", "window", "span"]


class Bert:
    """A fine-tuned BERT at E epochs (ascending numbers) on Q made-up questions: `margin` (E, Q), how far its ability is above
    each question's difficulty, and `odds` (E, Q), its null odds."""

    def __init__(self, made, epochs, task, seed):
        shared = np.random.default_rng([seed_of(task), 0])  # questions are as hard for every seed
        own = np.random.default_rng([seed_of(task), 1, seed])
        contexts, count = int(made.context.max()) + 1, len(made.questions)
        hard = shared.normal(0, 1, count) + shared.normal(0, 0.5, contexts)[made.context]
        plain = shared.normal(1.1, 0.9, count) * np.where(made.answerable, -1, 1)
        ability = 2.6 * (1 - np.exp(-np.array(epochs) / 0.45)) - 1.5 + own.normal(0, 0.02, len(epochs))
        known = 3.2 * (1 - np.exp(-np.array(epochs) / 0.6))
        bias = 3 * np.exp(-np.array(epochs) / 0.25) + own.normal(0, 0.1, len(epochs))
        self.margin = ability[:, None] - hard + 0.5 * _slow_noise(own, len(epochs), count)
        self.odds = known[:, None] * plain + bias[:, None] + 0.8 * _slow_noise(own, len(epochs), count)


class Head:
    """A head over the states of a Bert's checkpoint `epoch` (its index): nearly as able, with errors of its own."""

    def __init__(self, bert, epoch, skill, seed):
        own = np.random.default_rng(seed)
        count = bert.margin.shape[1]
        self.margin = bert.margin[epoch] + skill + own.normal(0, 0.3, count)
        self.odds = bert.odds[epoch] * (1 + 0.3 * skill) + own.normal(0, 0.6, count)


def seed_of(*words):
    """A seed from words that is the same in every process."""
    return zlib.crc32(" ".join(map(str, words)).encode())


def _slow_noise(random, steps, count, keep=0.8):
    """(steps, count): standard normal, a step much like the one before."""
    values = [random.normal(0, 1, count)]
    for _ in range(steps - 1):
        values.append(keep * values[-1] + np.sqrt(1 - keep**2) * random.normal(0, 1, count))
    return np.array(values)


def class_columns(made, odds, seed):
    """The columns of the classification task."""
    random = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-0.8 * odds))
    probability = np.clip(probability, 1e-6, 1 - 1e-6).astype(np.float32)
    other = (made.windows > 1) & (random.random(len(odds)) < 0.3)
    return _common(made) | dict(none_probability=probability, window=made.first_window + random.integers(0, made.windows),
                                reference_none=(probability > 0.5) | other)


def span_columns(made, margin, odds, seed, threshold=0.0):
    """The columns of the span task, of a system with these margins and null odds (Q each)."""
    random = np.random.default_rng(seed)
    count = len(margin)
    right, near = random.integers(0, 2, count), random.random(count)
    favourite = np.random.default_rng(7).integers(4, ANSWERS, count)  # the same wrong answer attracts every system
    wrong = np.where(random.random(count) < 0.7, favourite, random.integers(4, ANSWERS, count))
    chosen = np.where(margin > 0, np.array(EXACT)[right], np.where(margin > -0.5, np.array(NEAR)[(near < 0.5).astype(int)], wrong))
    second = np.where((margin <= 0) & (near < 0.45), EXACT[0], (chosen + 1 + random.integers(0, ANSWERS - 1, count)) % ANSWERS)
    span_score = (4 + 2 * margin + random.normal(0, 0.5, count)).astype(np.float32)
    none_score = (span_score + odds).astype(np.float32)
    second_score = (span_score - np.abs(random.normal(1.5, 1, count))).astype(np.float32)
    reversed_ = random.random(count) < 0.04
    reference_none = reversed_ | (odds + random.normal(0, 1.5, count) > 1)
    reference = np.where(random.random(count) < 0.92, chosen, second)
    window = made.first_window + random.integers(0, made.windows)
    reference_window = np.where(random.random(count) < 0.9, window, made.first_window + random.integers(0, made.windows))
    columns = _common(made) | dict(
        window=window, span_score=span_score, none_score=none_score, null_odds=none_score - span_score,
        second_score=second_score, reference_window=reference_window, reference_reversed=reversed_,
        **_answer(made, "", chosen), **_answer(made, "second_", second),
        **_answer(made, "reference_", np.where(reference_none, -1, reference)),
        reference_second_exact=_at(made.reference_exact, second), reference_second_f1=_at(made.reference_f1, second),
    )
    weights = np.exp(np.array([np.zeros(count), none_score - span_score, 0.5 + second_score - span_score]))
    columns["span_probability"], columns["none_probability"], _ = weights / weights.sum(axis=0)
    columns["disagreement"] = _reasons(made, columns, chosen, np.where(reference_none, -1, reference), threshold)
    return columns


def _common(made):
    data = np.array([question["id"].encode() for question in made.questions])
    ids = data.view(np.uint8).reshape(len(data), -1)
    return dict(id=ids, context=made.context, answerable=made.answerable)


def _at(table, chosen):
    return np.take_along_axis(table, np.maximum(chosen, 0)[:, None], axis=1)[:, 0]


def _answer(made, prefix, chosen):
    """Place and verdicts of the chosen answer; -1 is "none"."""
    scorer, none = prefix if prefix == "reference_" else "", chosen < 0
    found = {name: np.where(none, -1, _at(getattr(made, name), chosen)) for name in ("begin", "end")}
    for name in ("exact", "f1"):
        found[name] = np.where(none, ~made.answerable, _at(getattr(made, scorer + name), chosen))
    return {prefix + name: column for name, column in found.items()}


def _reasons(made, columns, chosen, reference, threshold):
    """(Q) the column "disagreement", by the rules of src/squad/scoring/disagreements.hpp."""
    none = columns["null_odds"] > threshold
    right = np.where(none, ~made.answerable, columns["exact"].astype(bool))
    same = _at(made.words, chosen) == _at(made.words, reference)
    return np.select(
        [right == columns["reference_exact"].astype(bool), ~none & columns["reference_reversed"], none != (reference < 0),
         none, same, columns["window"] != columns["reference_window"]],
        [REASONS.index(word) for word in ("none", "reversed", "threshold", "gold", "normalisation", "window")],
        REASONS.index("span"))
