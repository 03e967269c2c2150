"""The control on shuffled labels: how much lower a head scores if its training labels were permuted among the questions."""

import re
from dataclasses import dataclass

import judgement_charts as charts
from counted import counted, such_as
from groups import Group, grouped, recipe_and_part, spread
from marks import about
from page_parts import Column, Figure, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell, name_of
from significance_section import intervals_text, shown
from system import MEASURES, measure_of

TITLE = "Control on shuffled labels"
MEANING = (
    "Unlike in the control task of Hewitt and Liang (2019), where each type of word has a random label, here the training labels were permuted "
    "among the questions: the control shows how far a head gets by the labels' frequencies alone. Selectivity is the score "
    "minus that on shuffled labels, over the seeds that have both."
)
VARIANT = "-shuffled-labels"  # of a control's folder


@dataclass
class Pair:
    """A head and its control, under the same seeds in the same order."""

    head: Group
    control: Group

    @property
    def part(self):
        """The states and questions that the head was trained on, where they are not all; the layer of an atlas is told elsewhere."""
        _, part = recipe_and_part(self.head)
        return re.sub(r"^layer-\d+-?", "", part)

    @property
    def own(self):
        """The words by which the head differs from other heads of its name."""
        return ", ".join(text for text in (self.head.recipe, self.part) if text)


def pairs_of(heads, controls):
    """The Pairs, and the controls that have no head beside them."""

    def key(head):
        return (head.task, head.seed, head.epoch, head.dev_epoch, head.name, tuple(head.layers), head.share,
                head.variant.removesuffix(VARIANT))

    known = {key(head): head for head in heads}
    groups = grouped([control for control in controls if key(control) in known])
    pairs = [Pair(Group([known[key(one)] for one in group.results]), group) for group in groups]
    return pairs, [control for control in controls if key(control) not in known]


def add_control(report, task, evidence):
    run = report.run
    heads, controls = ([one for one in some if one.task == task and one.main] for some in (run.heads, run.controls))
    pairs, alone = pairs_of(heads, controls)
    if alone:
        example = alone[0].files[0].parent.relative_to(run.folder)
        report.missing.append(
            f"No head with true labels beside {counted(len(alone), 'control')} on shuffled labels{such_as(len(alone), example)}"
        )
    for each_layer, own, title in ((False, "control", TITLE), (True, "atlas-control", f"{TITLE}: layer atlas")):
        chosen = sorted((pair for pair in pairs if pair.head.each_layer == each_layer),
                        key=lambda pair: (pair.head.epoch, pair.head.name, pair.head.layers, pair.head.share, pair.head.recipe))
        if chosen:
            differences = evidence.differences([(pair.head.results, pair.control.results) for pair in chosen], measure_of(task))
            report.table(task, table(f"{task}-{own}", title, chosen, differences))
            if each_layer:
                add_atlas(report, task, chosen, differences)


def about_control(control):
    """Words for the way in which a control, or one of its seeds, differs from the head beside it."""
    return "".join(
        [f" (its control {told}; its best epoch before)" for told in dict.fromkeys(one.diverged for one in control.results) if told]
        + [f" [its control: {told}]" for told in dict.fromkeys(one.mark for one in control.results) if told]
    )


def table(name, title, pairs, differences):
    """A row for each pair, and under it a row for each seed. There are intervals if there are records of the questions."""
    task = pairs[0].head.task
    key, score = measure_of(task), MEASURES[measure_of(task)]
    layered = pairs[0].head.each_layer

    def cells(pair, head, control, difference):
        part = f" ({pair.part})" if pair.part else ""
        own, other = ([one.main.get(key) for one in group.results] for group in (head, control))
        gains = spread([a - b for a, b in zip(own, other) if None not in (a, b)])
        selectivity = shown(difference) if difference else gains and gains.mean
        name = name_of(head, part) + about_control(control)
        return [epoch_cell(head.epoch), name, head.seed_text, *([head.layers[0]] if layered else []), spread(own), spread(other),
                selectivity]

    rows = []
    for pair, difference in zip(pairs, differences):
        both = list(zip(pair.head.results, pair.control.results))
        seeds = [Row(cells(pair, Group([head]), Group([control]), None), "seed", [head, control]) for head, control in both if len(both) > 1]
        rows.append(Row(cells(pair, pair.head, pair.control, difference), "", [result for one in both for result in one], seeds))
    columns = [
        EPOCH,
        words("head"),
        SEED,
        *([Column("hidden state")] if layered else []),
        Column(score, 2),
        Column("on shuffled labels", 2, "of the same head, trained on shuffled labels"),
        Column("selectivity", 1, "the score minus that on shuffled labels", signed=True),
    ]
    intervals = intervals_text([pair.head for pair in pairs], "Brackets hold") if any(differences) else ""
    caption = f"{score[0].upper()}{score[1:]} in percent, of the answers as given. {MEANING}{intervals}"
    return Table(name, title, caption, columns, rows)


def add_atlas(report, task, pairs, differences):
    """Selectivity by layer beside the score: one figure for each probe."""
    key, score = measure_of(task), MEASURES[measure_of(task)]
    kinds = [score, "on shuffled labels", "selectivity"]
    for place, name in enumerate(sorted({pair.head.name for pair in pairs})):
        rows = []
        for pair, difference in zip(pairs, differences):
            own, other = pair.head.main(key), pair.control.main(key)
            if pair.head.name != name or own is None or other is None:
                continue
            told = about(pair.head, layer=pair.head.layers[0], recipe=pair.own)
            gain = (difference.value, difference.low, difference.high) if difference else (own - other,) * 3
            for kind, values in zip(kinds, ((own,) * 3, (other,) * 3, gain)):
                rows.append({**told, "kind": kind} | dict(zip(("value", "low", "high"), values)))
        caption = (
            f"The score of a {name.replace('_', ' ')} on each hidden state, its score after training on shuffled labels, and the "
            "selectivity, which is the difference of both. 0 is the embedding output."
            + (intervals_text([pair.head for pair in pairs], "Upright lines are") if any(differences) else "")
        )
        own_name = f"{task}-atlas-control" + (f"-{place + 1}" if place else "")
        spec = charts.selectivity_by_layer(rows, kinds)
        report.figure(task, Figure(own_name, f"{TITLE}: layer atlas", caption, spec, f"{task}-atlas-control"))
