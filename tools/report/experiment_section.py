"""A study's experiments: a figure and a table each, which are left out where there are no results."""

import re

import experiment_charts as charts
from columns import MEANINGS
from groups import grouped, spread
from page_parts import Column, Figure, Row, Table, words
from paired_columns import PairedColumns, members
from row_builder import EPOCH, SEED, epoch_cell, name_of, score_table
from run_model import label_of
from system import EITHER

HEAD = words("head")
ABOUT_HEADS = ((EPOCH, lambda one: epoch_cell(one.epoch)), (HEAD, name_of), (SEED, lambda one: one.seed_text))


def add_experiments(report, task, berts, evidence):
    """All of a task; `berts` are its evaluated checkpoints."""
    run = report.run
    heads = [head for head in run.heads if head.task == task]
    plain = run.plain_heads(task)
    add_mixed(report, task, [mixed for mixed in run.mixed if mixed.task == task], plain, evidence)
    add_shares(report, task, [head for head in heads if head.share < 1 and not head.each_layer], plain, evidence)
    add_ensembles(report, task, [one for one in run.ensembles if one.task == task], berts, evidence)
    add_second_best(report, task, berts, plain, evidence)
    layers = run.all_layers(task)
    subsets = [head for head in heads if head.layers not in ([], layers) and head.share == 1 and not head.each_layer]
    add_layer_subsets(report, task, subsets, plain, evidence)
    add_atlas(report, task, [head for head in heads if head.each_layer and head.share == 1], evidence)


def mean_f1(one, of):
    """`of` finds a result for each member: the F1 of these results, over seeds; None if it finds no result."""
    found = [of(member) for member in members(one)]
    return spread([other.main.get("f1") for other in found if other])


def with_plain(some, plain, own):
    """The heads `own`, and the plain heads with the same checkpoints, names and seeds, sorted by these, and then in the order of `own`."""
    wanted = {(head.epoch, head.name, head.seed) for head in some}
    both = some + [head for head in plain if (head.epoch, head.name, head.seed) in wanted]
    return grouped(sorted(both, key=lambda head: (head.epoch, head.label, own(head), head.seed)))


def whole_of(plain):
    """Returns a function that finds the head of the same recipe which read all hidden states and was trained on all questions."""
    known = {}
    for head in plain:
        known.setdefault((head.epoch, head.dev_epoch, head.name, head.seed), []).append(head)

    def find(head):
        same = known.get((head.epoch, head.dev_epoch, head.name, head.seed), [])
        return next((one for one in same if head.variant.startswith(f"{one.variant}-")), None)

    return find


def bert_of(berts):
    """Returns a function that finds BERT at the checkpoint of a result, under its seed; for BERT itself it finds None."""
    known = {(bert.epoch, bert.seed): bert for bert in berts}
    return lambda one: None if one.name == "BERT" else known.get((one.epoch, one.seed))


def add_mixed(report, task, mixed, plain, evidence):
    """Heads on dev states of another checkpoint than they were trained on."""
    if not mixed:
        return

    def at(like, epoch):
        """The head of the same kind trained and scored on states of an epoch."""
        for head in plain:
            same = (head.name, head.seed, head.variant) == (like.name, like.seed, like.variant)
            if same and head.epoch == head.dev_epoch == epoch:
                return head
        return None

    groups = grouped(mixed)
    paired = PairedColumns(evidence, groups)
    paired.add("F1 − where trained", "minus the F1 of the same head where it was trained", lambda head: at(head, head.epoch))
    paired.add("F1 − trained there", "minus the F1 of the head that was trained there", lambda head: at(head, head.dev_epoch))
    trained = Column("F1 where trained", 2, "of the same head, scored at the checkpoint where it was trained")
    there = Column("F1 trained there", 2, "of such a head, trained at the checkpoint where this one is scored")
    table = score_table(
        f"{task}-mixed",
        "Heads on states of another checkpoint",
        "Mixed: heads trained on states of one checkpoint, scored on dev states of another. Beside their F1: the F1 of the same "
        f"head where it was trained, and the F1 of a head that was trained where this one is scored. {MEANINGS[task]}{paired.caption}",
        task,
        groups,
        [
            (HEAD, name_of),
            (SEED, lambda one: one.seed_text),
            (Column("trained at epoch"), lambda one: epoch_cell(one.epoch)),
            (Column("scored at epoch"), lambda one: epoch_cell(one.dev_epoch)),
        ],
        beside=[
            (trained, lambda one: mean_f1(one, lambda head: at(head, head.epoch))),
            (there, lambda one: mean_f1(one, lambda head: at(head, head.dev_epoch))),
            *paired.columns,
        ],
    )
    rows = []
    for group in groups:
        what = f"{label_of(group.epoch)} on {label_of(group.dev_epoch)}: {name_of(group)}"
        told = {"what": what, "model": group.label, "epoch": label_of(group.dev_epoch)}
        for kind, value in (
            ("where it was trained", mean_f1(group, lambda head: at(head, head.epoch))),
            ("on the other checkpoint", mean_f1(group, lambda head: head)),
            ("trained on the other", mean_f1(group, lambda head: at(head, head.dev_epoch))),
        ):
            if value:
                rows.append({**told, "kind": kind, "value": value.mean})
    caption = (
        "F1 of heads that are scored on states of another checkpoint than they were trained on. Before a head's name are two epochs: "
        "first that of the states it was trained on, then that of the states it is scored on."
    )
    _add(report, task, table, charts.mixed(rows) if rows else None, caption)


def _add(report, task, table, spec, caption):
    report.table(task, table)
    if spec:
        report.figure(task, Figure(table.name, table.title, caption, spec, table.name))


def add_shares(report, task, shares, plain, evidence):
    """Heads on less training data."""
    if not shares:
        return
    groups = with_plain(shares, plain, lambda head: head.share)
    paired = PairedColumns(evidence, groups)
    paired.add("F1 − of all questions", "minus the F1 of the same head, trained on all questions", whole_of(plain))
    table = score_table(
        f"{task}-shares",
        "Less data",
        f"Heads by the share of the training questions that they were trained on. {MEANINGS[task]}{paired.caption}",
        task,
        groups,
        [
            *ABOUT_HEADS,
            (Column("% of the questions", 0), lambda one: 100 * one.share),
        ],
        paired.columns,
    )
    scored = [group for group in groups if group.main("f1") is not None]
    caption = "F1 of heads trained on a share of the training questions; the larger shares hold the smaller."
    _add(report, task, table, charts.share_curves(scored) if scored else None, caption)


def best_members(groups):
    """Returns a function that finds the best of an ensemble's models. It is the same model for all seeds: the best in their mean."""
    found = {}
    for group in groups:
        sums = [sum(member.main.get("f1", 0) for member in same) for same in zip(*(one.members for one in group.results))]
        found |= {one.files[0]: one.members[sums.index(max(sums))] for one in group.results}
    return lambda one: found[one.files[0]]


def add_ensembles(report, task, ensembles, berts, evidence):
    """Several models as one, against the best of them and BERT."""
    if not ensembles:
        return
    groups = grouped(ensembles)
    best_member = best_members(groups)
    paired = PairedColumns(evidence, groups)
    paired.add("F1 − best single model's", "minus the F1 of the best of its models, which was chosen on these questions", best_member)
    paired.add("F1 − BERT's", "minus the F1 of BERT at the same checkpoint", bert_of(berts))
    table = score_table(
        f"{task}-ensembles",
        "Ensembles",
        "Several models over the same checkpoint, used as one: at each position the maximum (max, as in the work of 2020) or the mean of "
        f"their softmaxes. {MEANINGS[task]}{paired.caption}",
        task,
        groups,
        [
            (EPOCH, lambda one: epoch_cell(one.epoch)),
            (words("models"), lambda one: one.label),
            (SEED, lambda one: one.seed_text),
            (words("combined by"), lambda one: one.combine),
        ],
        beside=[
            (words("best single model"), lambda one: name_of(best_member(members(one)[0]))),
            (Column("its F1", 2), lambda one: mean_f1(one, best_member)),
            *paired.columns,
        ],
    )
    rows = []
    for group in groups:
        what = f"epoch {label_of(group.epoch)}: {group.label}"
        kind = {"max": "maximum"}.get(group.combine, group.combine)
        own, single = mean_f1(group, lambda one: one), mean_f1(group, best_member)
        told = {"what": what, "model": group.label, "epoch": label_of(group.epoch)}
        rows += [{**told, "kind": kind, "value": own.mean}] if own else []
        if single and not any(row["what"] == what and row["kind"] == "best of the models" for row in rows):
            rows.append({**told, "kind": "best of the models", "value": single.mean})
    _add(report, task, table, charts.ensembles(rows) if rows else None, "F1 of several models used as one, and of the best of them alone.")


def right_by_second(result):
    """(percent right by the best answer, questions wrong, percent right by the second-best of these, its F1, percent right by
    either), by the reference's scorer; None where the evaluation has no second-best answers."""
    reference = result.scores.get("reference") or {}
    wrong = reference.get("second_best_total")
    if not wrong:
        return None
    first, second = reference["exact"], reference["second_best_exact"]
    return first, wrong, second, reference["second_best_f1"], first + second * wrong / reference["total"]


def either_of(result):
    found = right_by_second(result)
    return found and found[-1]


def add_second_best(report, task, berts, plain, evidence):
    """How often the second-best answer is right where the best is wrong."""
    groups = grouped([one for one in [*berts, *plain] if right_by_second(one)])
    groups.sort(key=lambda group: (group.epoch, group.name != "BERT", group.parameters or 0))
    if not groups:
        return
    paired = PairedColumns(evidence, groups, either_of, EITHER)
    paired.add("right by either − BERT's", "minus BERT's share of questions right by either, at the same checkpoint", bert_of(berts))

    def cells(one):
        found = [right_by_second(member) for member in members(one)]
        told = list(found[0]) if len(found) == 1 else [spread(values) for values in zip(*found)]
        return told + [cell(one) for _, cell in paired.columns]

    rows, bars = [], []
    for group in groups:
        seeds = group.results if len(group.results) > 1 else []
        kind = "bert" if group.name == "BERT" else ""
        told = [[epoch_cell(one.epoch), name_of(one), one.seed_text, *cells(one)] for one in (group, *seeds)]
        rows.append(
            Row(told[0], kind, group.results, [Row(own, "seed", [one]) for own, one in zip(told[1:], seeds)])
        )
        first, _, _, _, either = (value.mean for value in (spread(part) for part in zip(*map(right_by_second, group.results))))
        for part, value in (
            ("best answer right", first),
            ("only the second-best right", either - first),
            ("neither", 100 - either),
        ):
            bars.append({"model": group.label, "epoch": label_of(group.epoch), "kind": part, "value": value})
    epochs = [label_of(epoch) for epoch in sorted({head.epoch for head in plain})]
    bars = [bar for bar in bars if bar["epoch"] in epochs] or bars
    table = Table(
        f"{task}-second-best",
        "Second-best answers",
        "By the scorer of the work of 2020, in percent: how often the best answer is right, and how often the second-best answer is right "
        f"if the best is not. Right by either counts the questions whose best or second-best answer is right.{paired.caption}",
        [
            EPOCH,
            words("model"),
            SEED,
            Column("best EM", 2),
            Column("questions it gets wrong", 0),
            Column("second-best EM of these", 2),
            Column("second-best F1 of these", 2),
            Column("right by either", 2),
            *(column for column, _ in paired.columns),
        ],
        rows,
    )
    caption = "Share of the questions that the best answer gets right, and share that only the second-best answer gets right."
    _add(report, task, table, charts.second_best(bars, epochs or sorted({bar["epoch"] for bar in bars})), caption)


def add_layer_subsets(report, task, subsets, plain, evidence):
    """Heads over some hidden states alone, beside all of them."""
    if not subsets:
        return
    groups = with_plain(subsets, plain, lambda head: (len(head.layers), head.layers))
    paired = PairedColumns(evidence, groups)
    paired.add("F1 − of all states", "minus the F1 of the same head over all hidden states", whole_of(plain))
    table = score_table(
        f"{task}-layer-subsets",
        "Layer ablation",
        "Heads by the hidden states that they read (0 = embedding output"
        f"{'; all read the pooled output too' if task == 'classification' else ''}). {MEANINGS[task]}{paired.caption}",
        task,
        groups,
        [
            *ABOUT_HEADS,
            (words("hidden states"), lambda one: charts.layers_text(one.layers)),
            (Column("parameters"), lambda one: one.parameters),
        ],
        paired.columns,
    )
    scored = [group for group in groups if group.main("f1") is not None]
    caption = "F1 of heads that read some of the hidden states, and of the same heads over all of them."
    _add(report, task, table, charts.layer_subsets(scored) if scored else None, caption)


def last_of(probes):
    """Returns a function that finds the probe of the last hidden state, which BERT's own head reads; for this probe it finds None."""
    def key(probe):
        return probe.epoch, probe.dev_epoch, probe.name, probe.seed, re.sub(r"-layer-\d+", "", probe.variant)

    last = max(probe.layers[0] for probe in probes)
    known = {key(probe): probe for probe in probes if probe.layers[0] == last}
    return lambda probe: None if probe.layers[0] == last else known.get(key(probe))


def add_atlas(report, task, probes, evidence):
    """A head for each layer at each checkpoint: one figure for each probe and recipe."""
    if not probes:
        return
    labels = sorted({probe.label for probe in probes if probe.main})
    for place, label in enumerate(labels):
        groups = grouped([probe for probe in probes if probe.label == label and probe.main])
        caption = (
            f"Each hidden state by itself at each checkpoint: the score of a {label} on it alone, percent (mean of "
            "the seeds). 0 is the embedding output."
        )
        own = f"{task}-atlas-{place + 1}" if place else f"{task}-atlas"  # names of files hold no text of the data
        report.figure(task, Figure(own, "Layer atlas" + f": {label}" * (len(labels) > 1), caption, charts.layer_atlas(groups), f"{task}-atlas"))
    probes = sorted(probes, key=lambda probe: (probe.epoch, probe.label, probe.layers, probe.seed))
    own = [
        *ABOUT_HEADS,
        (Column("hidden state"), lambda one: one.layers[0]),
        (Column("parameters"), lambda one: one.parameters),
    ]
    groups = grouped(probes)
    paired = PairedColumns(evidence, groups)
    paired.add("F1 − last state's", "minus the F1 of the same probe on the last hidden state", last_of(probes))
    caption = f"Probes of single hidden states. {MEANINGS[task]}{paired.caption}"
    report.table(task, score_table(f"{task}-atlas", "Layer atlas", caption, task, groups, own, paired.columns))
