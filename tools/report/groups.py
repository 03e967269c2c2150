"""Results of one thing under several seeds, taken together."""

import math
import re
import statistics
from collections import Counter

from counted import counted
from page_parts import Spread
from run_model import label_of

SEED = r"-?\bseed-(\d+)"  # of a head's own training, in the name of its folder


class Group:
    """Results that differ in nothing but their seeds."""

    def __init__(self, results):
        self.results = results
        self.first = results[0]

    def __getattr__(self, name):  # name, label, epoch, parameters and the like: all members have the same
        return getattr(self.first, name)

    @property
    def seed_text(self):
        return seed_text(self.results)

    def of(self, value):
        """`value` of each member that has one, as Spread; None where none has."""
        return spread([value(result) for result in self.results])

    def main(self, key):
        """Mean of a key of the task's own scores; None where no member has it."""
        found = self.of(lambda result: result.main.get(key))
        return found.mean if found else None


def seeds_of(results):
    """The seeds of fine-tuning."""
    return list(dict.fromkeys(result.seed for result in results))


def seed_text(results):
    """The seed of a result, or how many seeds there are, and how many heads where a seed of fine-tuning has several."""
    if len(results) == 1:
        return results[0].seed_text
    seeds = len(seeds_of(results))
    text = counted(seeds, "seed")
    return text if seeds == len(results) else f"{text}, {counted(len(results), 'head')}"


def moved_text(one):
    """Words for the checkpoint on whose states a head was scored, if it was trained on another one."""
    return "" if one.dev_epoch in (None, one.epoch) else f" (scored on states of epoch {label_of(one.dev_epoch)})"


def spread(values):
    values = [value for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


def recipe_of(result):
    """The variant without the words for the seed."""
    return re.sub(SEED, "", result.variant)


def recipe_and_part(result):
    """The words of the variant before the seed, and the words after it: on which states and questions a head was trained."""
    recipe, _, part = (*re.split(SEED, result.variant, maxsplit=1), "", "")[:3]
    return recipe, part.removeprefix("-")


def name_recipes(results):
    """Tells apart results of one name whose heads were trained by several recipes."""
    found = {}
    for result in results:
        found.setdefault((result.task, result.name), {}).setdefault(recipe_and_part(result)[0], []).append(result)
    for recipes in found.values():
        for recipe, own in recipes.items() if len(recipes) > 1 else ():
            for result in own:
                result.recipe = recipe


def name_head_seeds(results):
    """Tells apart the results of one seed of fine-tuning that differ in nothing but the seed of a head's own training."""
    for group in grouped(results):
        count = Counter(result.seed for result in group.results)
        for result in group.results:
            if count[result.seed] > 1:
                found = re.search(SEED, result.variant)
                result.head_seed = found[1] if found else result.variant


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
