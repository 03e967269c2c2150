"""Records of every single question, for BERT at its checkpoints and for heads, on the same questions."""

from collections import Counter
from functools import cached_property

import numpy as np
from counted import counted, such_as
from groups import grouped, moved_text
from question_records import NAME, read_records
from question_texts import find_features, read_texts
from significance import FEWEST, bootstrap, corrected_pairs
from system import System, by_seed, measure_of, parts_of
from thresholds import held_out_scores, threshold_of


def _files_of(results):
    return tuple(result.files[0] for result in results)


def _usual(found):
    """The features that most records are of, and their questions' ids."""
    if not found:
        return None, None
    features, _ = Counter(one.features for one in found.values()).most_common(1)[0]
    return features, next(one.ids for one in found.values() if one.features == features)


class Evidence:
    """The systems of a task on Q questions; `systems` is empty where there are no records."""

    def __init__(self, run, task):
        self.run, self.task = run, task
        results = [*(bert for bert in run.berts if bert.task == task), *run.plain_heads(task)]
        found, absent = self._read(results)
        self._features, self.ids = _usual(found)
        found = self._of_same_questions(found)
        self._known = {result.files[0]: found.get(result.files[0]) for result in results}  # None: without records, and named
        self.systems = []
        for group in grouped(results):
            records = {result.seed_text: found[result.files[0]] for result in group.results if result.files[0] in found}
            if records:
                thresholds = {one.seed_text: self._threshold(one, records) for one in group.results if one.seed_text in records}
                self.systems.append(System(group, group.label + moved_text(group), records, thresholds))
        self._absent = absent
        self._thresholds_for_all()
        self._bootstraps, self._paired = {}, {}

    def _thresholds_for_all(self):
        """Thresholds that were chosen on held-out questions are used only if every system has one. Otherwise some would be favoured."""
        without = [one for one in self.systems if None in one.thresholds.values()]
        if self.task == "span" and without and len(without) < len(self.systems):
            self.run.missing.append(
                f"Without scores on held-out questions: {len(without)} of {len(self.systems)} systems of the span task. So each system has "
                "the threshold of its evaluation."
            )
        if without:
            for one in self.systems:
                one.thresholds = dict.fromkeys(one.thresholds)

    def _read(self, results):
        """The records of results, by their first file, and the results that have none."""
        found, absent = {}, []
        for result in results:
            path = result.files[0].with_name(NAME)
            if path.is_file():
                for one in self.run.attempt(read_records, path):
                    found[result.files[0]] = one
            else:
                absent.append(result)
        return found, absent

    def _of_same_questions(self, found):
        """The records with the features and questions that most records have; the others are named in the run."""
        kept = {}
        for file, one in found.items():
            place = one.path.relative_to(self.run.folder)
            if not one.labelled:
                self.run.missing.append(f"No verdicts in {place}: its features have no labels.")
            elif one.features == self._features and np.array_equal(one.ids, self.ids):
                kept[file] = one
            else:
                self.run.missing.append(f"Left out: {place} is of other questions ({self._mismatch(one)}).")
        return kept

    def _mismatch(self, one):
        """Words for the way in which the questions of records differ from the questions of most records."""
        if one.features != self._features:
            return f"features {one.features}, not {self._features}"
        return f"{counted(len(one), 'question')}, not {len(self.ids)}" if len(one) != len(self.ids) else "other ids"

    def differences(self, pairs, measure):
        """The Difference of each pair of lists of results, under the same seeds: of the answers as given. None for a pair that has
        no records."""
        if not self.systems:
            return [None] * len(pairs)
        sides = {_files_of(side): side for pair in pairs for side in pair}  # many have the same partner
        told = {files: self._parts_as_given(side, measure) for files, side in sides.items()}
        told = {files: parts for files, parts in told.items() if parts}
        if not told:
            return [None] * len(pairs)
        place_of = {files: place for place, files in enumerate(told)}
        drawn = bootstrap(list(told.values()), self.first["context"])

        def difference(own, other):
            if own not in told or other not in told or told[own].keys() != told[other].keys():
                return None
            return drawn.difference(place_of[own], place_of[other])

        return [difference(_files_of(own), _files_of(other)) for own, other in pairs]

    def _parts_as_given(self, results, measure):
        """Numerators and denominators of the answers as given, for results that have records, by seed of fine-tuning."""
        known = [(result, self.records_of(result)) for result in results]
        return by_seed((result, parts_of(one, None, measure)) for result, one in known if one is not None)

    def records_of(self, result):
        """The records of a result; None if it has none, and then it is named later. Only records of systems are kept in memory,
        because a layer atlas has hundreds of other results."""
        file = result.files[0]
        if file in self._known:
            return self._known[file]
        found, absent = self._read([result])
        one = self._of_same_questions(found).get(file)
        if one is None:
            self._known[file] = None
        self._absent += absent
        return one

    def name_absent(self):
        """Names the results without records that were asked for since the last time."""
        if self._absent:
            example = self._absent[0].files[0].with_name(NAME).relative_to(self.run.folder)
            count = len(self._absent)
            self.run.missing.append(
                f"No records of questions for {counted(count, 'result')} of the {self.task} task{such_as(count, example)}"
            )
        self._absent = []

    def _threshold(self, result, records):
        if self.task != "span":
            return None
        return threshold_of(held_out_scores(result, self.run.in_training, records[result.seed_text].features))

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

    @property
    def drawn_over(self):
        """Words of captions: the bootstrap draws questions, and seeds if there are several."""
        return "questions and seeds" if any(len(system.seeds) > 1 for system in self.systems) else "questions"

    @property
    def pairs_text(self):
        """Words of captions if systems have different seeds, or if the paragraphs are too few."""
        text = ""
        if any(one.seeds != self.systems[0].seeds for one in self.systems):
            text += " Two models are compared under the seeds that both have."
        if self.paragraphs < FEWEST:
            paragraphs = counted(self.paragraphs, "paragraph")
            text += f" The questions are of {paragraphs}: too few to show whether a difference is noise (at least {FEWEST} are needed)."
        return text

    @cached_property
    def paragraphs(self):
        """The number of paragraphs that the questions are of."""
        return len(np.unique(self.first["context"]))

    @property
    def held_out(self):
        """Whether the systems have thresholds that were chosen on held-out questions: all of them have, or none."""
        return bool(self.systems) and self.systems[0].held_out

    @property
    def thresholds_text(self):
        """Words of captions if the answers as given had other thresholds than the systems have."""
        return " At thresholds chosen on held-out questions." if self.held_out else ""

    @cached_property
    def trivial(self):
        """The score, in percent, of the best answer that looks at nothing: "none" to every question, or the more frequent class."""
        impossible = float((~self.first["answerable"]).mean())
        return 100 * (impossible if self.task == "span" else max(impossible, 1 - impossible))

    def best_bert(self, measure):
        return max(self.berts, key=lambda one: self.score(one, measure))

    @cached_property
    def above_trivial(self):
        """The Difference of BERT at its best to this answer."""
        measure = measure_of(self.task)
        best, answerable = self.best_bert(measure).parts(measure), self.first["answerable"]
        right = ~answerable if self.task == "span" or answerable.mean() < 0.5 else answerable
        answer = dict.fromkeys(best, (right.astype(np.float64), np.ones(len(right))))
        return bootstrap([best, answer], self.first["context"]).difference(0, 1)

    @cached_property
    def bert_is_trivial(self):
        """Whether BERT at its best cannot be told from an answer that looks at nothing; False where BERT has no records. If the
        paragraphs are too few for an interval, the scores alone decide."""
        if not self.berts:
            return False
        found = self.above_trivial
        return found.value <= 0 or (not found.few and found.low <= 0)

    @cached_property
    def judged(self):
        """The measure by which heads are judged against BERT: the measure of the task. But if BERT in the span task cannot be told from
        "none" to every question, only questions with an answer count."""
        return "answered" if self.task == "span" and self.bert_is_trivial else measure_of(self.task)

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

    def _under(self, seeds, measure):
        """The systems that have all these seeds, and their Bootstrap under these seeds alone."""
        if (seeds, measure) not in self._paired:
            systems = [one for one in self.systems if seeds <= one.seeds]
            if all(one.seeds == seeds for one in self.systems):
                drawn = self.bootstrap(measure)
            else:
                parts = [{seed: part for seed, part in one.parts(measure).items() if seed in seeds} for one in systems]
                drawn = bootstrap(parts, self.first["context"])
            self._paired[seeds, measure] = systems, drawn
        return self._paired[seeds, measure]

    def difference(self, system, other, measure="f1"):
        """The Difference under the seeds that both have; None where they share none."""
        if not system.seeds & other.seeds:
            return None
        systems, drawn = self._under(system.seeds & other.seeds, measure)
        return drawn.difference(systems.index(system), systems.index(other))

    def pair_of_scores(self, system, other, measure="f1"):
        """Both scores under the seeds that both have."""
        systems, drawn = self._under(system.seeds & other.seeds, measure)
        return tuple(float(drawn.scores[systems.index(one)]) for one in (system, other))

    def zoo(self, measure):
        """(S, S) each: the differences of all pairs under the seeds that both have, and their p values, corrected together by
        Benjamini and Hochberg. A pair that shares no seed has the difference 0 and p 1."""
        count = len(self.systems)
        values, p = np.zeros((count, count)), np.ones((count, count))
        shared = np.array([[one.seeds & other.seeds for other in self.systems] for one in self.systems], object)
        for seeds in {*shared.flat} - {frozenset()}:
            systems, drawn = self._under(seeds, measure)
            places = np.array([self.systems.index(one) for one in systems])
            chosen = shared[np.ix_(places, places)] == seeds
            own, other = places[np.argwhere(chosen).T]
            values[own, other] = np.subtract.outer(drawn.scores, drawn.scores)[chosen]
            p[own, other] = drawn.pairwise_p()[chosen]
        return values, corrected_pairs(p)

    @cached_property
    def texts(self):
        """The texts of the questions; None, and named as missing, where the features file is not there."""
        named = []
        for system in self.systems:
            for result in system.group.results:
                if result.dev_features.get("path"):
                    named.append(result.dev_features["path"])
        path = find_features(self.run.folder, self.first.features, dict.fromkeys(named))
        if path is None:
            self.run.missing.append(f"No texts of the {self.task} task: no features file has the fingerprint {self.first.features}.")
            return None
        found = self.run.attempt(read_texts, path, self.first.features)
        return found[0] if found and self.run.attempt(found[0].places, self.ids) else None
