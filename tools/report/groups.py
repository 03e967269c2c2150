"""Results of one thing under several seeds, taken together."""

import math
import re
import statistics

from page_parts import Spread


class Group:
    """Results that differ in nothing but their seeds."""

    def __init__(self, results):
        self.results = results
        self.first = results[0]

    def __getattr__(self, name):  # name, epoch, parameters and the like are those of every member
        return getattr(self.first, name)

    @property
    def seed(self):
        return self.first.seed if len(self.results) == 1 else f"{len(self.results)} seeds"

    @property
    def label(self):
        """Its name as people read it."""
        return label_of_model(self.first)

    def of(self, value):
        """`value` of each member that has one, as Spread; None where none has."""
        return spread([value(result) for result in self.results])

    def main(self, key):
        """Mean of a key of the task's own scores; None where no member has it."""
        found = self.of(lambda result: result.main.get(key))
        return found.mean if found else None


def label_of_model(result):
    return result.name.replace("_", " ")


def spread(values):
    values = [value for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


def recipe_of(result):
    """The variant without what only says the seed."""
    return re.sub(r"-?\bseed-\d+", "", result.variant)


def grouped(results):
    """Groups in the order of their first members."""
    groups = {}
    for result in results:
        key = (
            result.task,
            result.name,
            result.epoch,
            result.dev_epoch,
            tuple(result.layers),
            result.share,
            result.combine,
            recipe_of(result),
        )
        groups.setdefault(key, []).append(result)
    return [Group(members) for members in groups.values()]
