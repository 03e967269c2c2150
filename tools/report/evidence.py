"""What is known of every single question: the records of BERT at its checkpoints and of heads, on the same questions."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from groups import grouped
from question_records import NAME, read_records
from question_texts import find_features, read_texts
from run_files import RunError
from significance import bootstrap
from thresholds import held_out_scores, threshold_of


@dataclass(eq=False)
class System:
    """One model under its seeds. `records` and `thresholds` by seed; a threshold of None is that of the answers as given."""

    group: object
    records: dict
    thresholds: dict

    @property
    def name(self):
        return self.group.name.replace("_", " ")

    @property
    def is_bert(self):
        return self.group.name == "BERT"

    @property
    def held_out(self):
        """Whether its thresholds were chosen on held-out questions."""
        return any(threshold is not None for threshold in self.thresholds.values())

    @property
    def seed(self):
        """The seed that stands for it where one must."""
        return next(iter(self.records))

    @property
    def one(self):
        return self.records[self.seed]

    @property
    def threshold(self):
        return self.thresholds[self.seed]

    def correct(self):
        return self.one.correct(self.threshold)

    def parts(self, measure):
        """By seed: numerators and denominators of a score, (Q) each. Measures: f1, exact, answered (F1 of the questions with an
        answer)."""
        found = {}
        for seed, one in self.records.items():
            threshold = self.thresholds[seed]
            if measure == "exact":
                found[seed] = one.correct(threshold).astype(np.float64), np.ones(len(one))
            else:
                numerators, denominators = one.f1_parts(threshold)
                asked = one["answerable"] if measure == "answered" else np.ones(len(one), bool)
                found[seed] = numerators * asked, denominators * asked
        return found


class Evidence:
    """The systems of a task on Q questions; `systems` is empty where there are no records."""

    def __init__(self, run, task):
        self.run, self.task = run, task
        berts = [bert for bert in run.berts if bert.task == task]
        self.systems, absent = [], []
        found = {}
        for result in [*berts, *run.plain_heads(task)]:
            path = result.files[0].with_name(NAME)
            if path.is_file():
                for one in run.attempt(read_records, path):
                    found[result.files[0]] = one
            else:
                absent.append(result)
        found = self._of_most_features(found)
        for group in grouped([*berts, *run.plain_heads(task)]):
            records = {result.seed: found[result.files[0]] for result in group.results if result.files[0] in found}
            if records:
                self.systems.append(System(group, records, {seed: self._threshold(group, seed, one) for seed, one in records.items()}))
        if absent:
            example = absent[0].files[0].with_name(NAME).relative_to(run.folder)
            run.missing.append(f"No records of questions for {len(absent)} results of the {task} task, such as {example}.")
        self._thresholds_for_all()
        self._bootstraps = {}

    def _thresholds_for_all(self):
        """Those chosen on held-out questions only where every system has one: else some would be favoured."""
        without = [one for one in self.systems if None in one.thresholds.values()]
        if self.task == "span" and without and len(without) < len(self.systems):
            self.run.missing.append(
                f"The thresholds are those of the evaluations: {len(without)} of {len(self.systems)} systems of the span task have no "
                "scores on held-out questions."
            )
        if without:
            for one in self.systems:
                one.thresholds = dict.fromkeys(one.thresholds)

    def _of_most_features(self, found):
        """Those of the features and questions that most are of; the others are named."""
        if not found:
            return {}
        usual, _ = Counter(one.features for one in found.values()).most_common(1)[0]
        self.ids = next(one.ids for one in found.values() if one.features == usual)
        kept = {}
        for file, one in found.items():
            if one.features == usual and np.array_equal(one.ids, self.ids) and one.labelled:
                kept[file] = one
            elif not one.labelled:
                self.run.missing.append(f"No verdicts in {one.path.relative_to(self.run.folder)}: its features have no labels.")
            else:
                place = one.path.relative_to(self.run.folder)
                self.run.missing.append(f"Left out: {place} is of other questions (features {one.features}, not {usual}).")
        return kept

    def _threshold(self, group, seed, records):
        if self.task != "span":
            return None
        result = next(one for one in group.results if one.seed == seed)
        return threshold_of(held_out_scores(result, self.run.in_training, records.features))

    @property
    def first(self):
        return self.systems[0].one

    @property
    def berts(self):
        """BERT at its checkpoints, the earliest first."""
        return [system for system in self.systems if system.is_bert]

    @property
    def heads(self):
        return [system for system in self.systems if not system.is_bert]

    def bert_at(self, epoch):
        return next((system for system in self.berts if system.group.epoch == epoch), None)

    def system_of(self, group):
        """The system of a group of results; None where it has no records."""
        return next((one for one in self.systems if one.group.results[0].files[0] == group.results[0].files[0]), None)

    def bootstrap(self, measure="f1"):
        if measure not in self._bootstraps:
            self._bootstraps[measure] = bootstrap([one.parts(measure) for one in self.systems], self.first["context"])
        return self._bootstraps[measure]

    def score(self, system, measure="f1"):
        return float(self.bootstrap(measure).scores[self.systems.index(system)])

    def interval(self, system, measure="f1"):
        return self.bootstrap(measure).interval(self.systems.index(system))

    def difference(self, system, other, measure="f1"):
        return self.bootstrap(measure).difference(self.systems.index(system), self.systems.index(other))

    @cached_property
    def texts(self):
        """The texts of the questions; None, and named as missing, where the features file is not there."""
        named = []
        for system in self.systems:
            for result in system.group.results:
                features = result.scores.get("features")
                if isinstance(features, dict) and features.get("path"):
                    named.append(features["path"])
        path = find_features(self.run.folder, self.first.features, dict.fromkeys(named))
        if path is None:
            self.run.missing.append(f"No texts of the {self.task} task: no features file has the fingerprint {self.first.features}.")
            return None
        found = self.run.attempt(read_texts, path, self.first.features)
        try:
            found and found[0].places(self.ids)
        except RunError as wrong:
            self.run.wrong.append(str(wrong))
            return None
        return found[0] if found else None
