"""Columns of differences: a result less its natural partner under the same seeds, with interval and verdict where there are records."""

from groups import spread
from page_parts import Column
from significance_section import intervals_text, shown


def members(one):
    """The results of a group, or one result itself."""
    return getattr(one, "results", [one])


def f1_of(result):
    return result.main.get("f1")


class PairedColumns:
    """The columns of differences of one table, whose rows are `groups`. `score` gives the score that is compared; Evidence calls it
    `measure`."""

    def __init__(self, evidence, groups, score=f1_of, measure="f1"):
        self.evidence, self.groups, self.score, self.measure = evidence, groups, score, measure
        self.columns = []  # (Column, its cell of a group or of one result)
        self._told = False  # whether any cell has an interval

    def add(self, title, about, partner):
        """A column unless no result has a partner. `partner` gives the result that a result is compared with, or None."""
        pairs = {id(group): [(one, other) for one in group.results if (other := partner(one))] for group in self.groups}
        pairs = {key: own for key, own in pairs.items() if own}
        if not pairs:
            return
        found = self.evidence.differences([tuple(map(list, zip(*own))) for own in pairs.values()], self.measure)
        differences = {key: one for key, one in zip(pairs, found) if one}
        self._told |= bool(differences)

        def cell(one):
            if id(one) in differences:
                return shown(differences[id(one)])
            both = [(self.score(result), self.score(other)) for result in members(one) if (other := partner(result))]
            gain = spread([own - other for own, other in both if None not in (own, other)])
            return gain and gain.mean

        self.columns.append((Column(title, 1, about, signed=True), cell))

    @property
    def caption(self):
        """Words about the intervals for the table's caption."""
        return intervals_text(self.groups) if self._told else ""
