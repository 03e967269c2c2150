"""One model under its seeds, on the same questions as all others, and the parts of its scores."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from groups import seed_text, seeds_of

MEASURES = {"f1": "F1", "exact": "accuracy", "answered": "F1 of the questions with an answer"}
KEYS = {"f1": "f1", "exact": "exact", "answered": "HasAns_f1"}  # of the task's own scores in metrics.json
SHORT = {**MEASURES, "answered": "has-answer F1"}  # as titles of columns
EITHER = "either"  # percent that the best or the second-best answer is right, by the reference's scorer


def measure_of(task):
    """The measure that says how good a model is."""
    return "f1" if task == "span" else "exact"


def parts_of(records, threshold, measure):
    """Numerators and denominators of a score, (Q) each. `measure` is a key of MEASURES, or EITHER."""
    if measure == "exact":
        return records.correct(threshold).astype(np.float64), np.ones(len(records))
    if measure == EITHER:
        return (records["reference_exact"] | records["reference_second_exact"]).astype(np.float64), np.ones(len(records))
    numerators, denominators = records.f1_parts(threshold)
    asked = records["answerable"] if measure == "answered" else np.ones(len(records), bool)
    return numerators * asked, denominators * asked


def by_seed(parts):
    """By seed of fine-tuning: numerators and denominators, (H, Q) each, of its H results. `parts` has (result, (numerators,
    denominators)) of each result, (Q) each."""
    found = {}
    for result, pair in parts:
        found.setdefault(result.seed, []).append(pair)
    return {seed: tuple(map(np.stack, zip(*pairs))) for seed, pairs in found.items()}


@dataclass(eq=False)
class System:
    """One model under its seeds. `records` and `thresholds` by `seed_text` of the results; a threshold of None stands for the threshold of
    the answers as given."""

    group: object
    name: str
    records: dict
    thresholds: dict

    @property
    def is_bert(self):
        return self.group.name == "BERT"

    @property
    def held_out(self):
        """Whether its thresholds were chosen on held-out questions."""
        return any(threshold is not None for threshold in self.thresholds.values())

    @property
    def seed(self):
        """The seed, as `seed_text` of a result, that stands for it where one must."""
        return next(iter(self.records))

    @property
    def seed_text(self):
        """The seed, or the number of seeds that its figures are of: the others have no records."""
        return seed_text(self.results)

    @cached_property
    def seeds(self):
        """The seeds of fine-tuning. A bootstrap draws them where they are several."""
        return frozenset(seeds_of(self.results))

    def of_seed(self, seed):
        """The first of its results under a seed of fine-tuning."""
        return next(one for one in self.results if one.seed == seed)

    @property
    def results(self):
        """The results that have records, and so the figures come from."""
        return [result for result in self.group.results if result.seed_text in self.records]

    @property
    def one(self):
        return self.records[self.seed]

    @property
    def threshold(self):
        return self.thresholds[self.seed]

    def correct(self, seed):
        """(Q): whether its first result under a seed of fine-tuning answers right."""
        own = self.of_seed(seed).seed_text
        return self.records[own].correct(self.thresholds[own])

    def parts(self, measure):
        """Numerators and denominators of a score, by seed of fine-tuning (`by_seed`)."""
        return by_seed(
            (one, parts_of(self.records[one.seed_text], self.thresholds[one.seed_text], measure)) for one in self.results
        )


def common_seed(systems):
    """The first seed of fine-tuning that all systems have; None where they share none."""
    return next((seed for seed in seeds_of(systems[0].results) if all(seed in one.seeds for one in systems)), None)
