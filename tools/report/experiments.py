"""What the report says of a study's experiments: a section each, which is left out where there are no results."""

import html

import charts
from columns import COLUMNS, MEANINGS, count, percent, score_cells
from run_folder import label_of


def add_experiments(page, task, berts):
    """All sections of a task; `berts` are its evaluated checkpoints."""
    run = page.run
    heads = [head for head in run.heads if head.task == task]
    plain = run.plain_heads(task)
    _add_mixed(page, task, [mixed for mixed in run.mixed if mixed.task == task], plain)
    _add_shares(page, task, [head for head in heads if head.share < 1 and not head.each_layer], plain)
    _add_ensembles(page, task, [one for one in run.ensembles if one.task == task])
    _add_second_best(page, [*berts, *plain])
    layers = run.all_layers(task)
    subsets = [
        head
        for head in heads
        if head.layers not in ([], layers) and head.share == 1 and not head.each_layer
    ]
    _add_layer_subsets(page, task, subsets, plain)
    _add_atlas(page, task, [head for head in heads if head.each_layer and head.share == 1])


def _name(result):
    diverged = f" ({result.diverged}; its best epoch before)" if result.diverged else ""
    return html.escape(result.name.replace("_", " ")) + diverged


def _columns(task):
    return [(title, True) for title, _, _ in COLUMNS[task]]


def _heads_table(page, task, caption, heads, own, *, is_first=lambda place: False):
    """A table of heads; `own` are its own columns, (title, whether of numbers, the cell of a head), before the scores."""
    page.table(
        f"{caption} {MEANINGS[task]}",
        [
            ("epoch", True),
            ("head", False),
            ("seed", True),
            *((title, number) for title, number, _ in own),
            *_columns(task),
            ("files", False),
        ],
        [
            (
                "first" if is_first(place) else "",
                [
                    label_of(head.epoch),
                    _name(head),
                    html.escape(head.seed),
                    *(cell(head) for _, _, cell in own),
                    *score_cells(head),
                    page.files(head.files),
                ],
            )
            for place, head in enumerate(heads)
        ],
    )


def _with_plain(some, plain, own):
    """These heads and the plain ones of the same checkpoints, names and seeds, in that order and then in that of `own`."""
    wanted = {(head.epoch, head.name, head.seed) for head in some}
    both = some + [head for head in plain if (head.epoch, head.name, head.seed) in wanted]
    return sorted(both, key=lambda head: (head.epoch, head.name, head.seed, own(head)))


def _f1(result):
    return percent(result.main.get("f1")) if result else "–"


def _add_mixed(page, task, mixed, plain):
    """Heads on dev states of another checkpoint than they were trained on."""
    if not mixed:
        return

    def at(epoch, like):
        """The head of the same kind trained and scored on states of an epoch."""
        return next(
            (
                head
                for head in plain
                if (head.name, head.seed, head.variant) == (like.name, like.seed, like.variant)
                and head.epoch == head.dev_epoch == epoch
            ),
            None,
        )

    page.add("<h3>Heads on states of another checkpoint</h3>")
    page.table(
        "Mixed: heads trained on states of one checkpoint, scored on dev states of another. Beside their F1: that of "
        f"the same head where it was trained, and of one trained where it was scored. {MEANINGS[task]}",
        [
            ("head", False),
            ("seed", True),
            ("trained at epoch", True),
            ("scored at epoch", True),
            *_columns(task),
            ("F1 where trained", True),
            ("F1 trained there", True),
            ("files", False),
        ],
        [
            (
                "",
                [
                    _name(head),
                    html.escape(head.seed),
                    label_of(head.epoch),
                    label_of(head.dev_epoch),
                    *score_cells(head),
                    _f1(at(head.epoch, head)),
                    _f1(at(head.dev_epoch, head)),
                    page.files(head.files),
                ],
            )
            for head in mixed
        ],
    )


def _add_shares(page, task, less, plain):
    """Heads trained on shares of the training questions, beside all of them."""
    if not less:
        return
    heads = _with_plain(less, plain, lambda head: head.share)
    page.add("<h3>Less data</h3>")
    scored = [head for head in heads if head.main]
    if scored:
        page.figure(
            f"{task}-shares",
            charts.share_curves(scored),
            f"{'EM' if task == 'span' else 'Accuracy (EM)'} and F1 of heads trained on a share of the training questions; the "
            "larger shares hold the smaller.",
        )
    _heads_table(
        page,
        task,
        "Heads by the share of the training questions that they were trained on.",
        heads,
        [("% of the questions", True, lambda head: f"{100 * head.share:g}")],
    )


def _add_ensembles(page, task, ensembles):
    """Several models as one, against the best of them."""
    if not ensembles:
        return
    rows = []
    for one in ensembles:
        best = max(one.members, key=lambda member: member.main.get("f1", 0))
        gained = "–"
        if one.main and best.main:
            gained = f"{one.main['f1'] - best.main['f1']:+.2f}"
        rows.append(
            (
                "",
                [
                    label_of(one.epoch),
                    html.escape(one.name),
                    html.escape(one.seed),
                    html.escape(one.combine),
                    *score_cells(one),
                    f"{_f1(best)} ({_name(best)})",
                    gained,
                    page.files(one.files),
                ],
            )
        )
    page.add("<h3>Ensembles</h3>")
    page.table(
        "Models over the same checkpoint as one: at each position the maximum (max, as the reference has it) or the mean "
        f"of their softmaxes. {MEANINGS[task]}",
        [
            ("epoch", True),
            ("models", False),
            ("seed", True),
            ("combined by", False),
            *_columns(task),
            ("F1 of the best of them", True),
            ("F1 gained", True),
            ("files", False),
        ],
        rows,
    )


def _add_second_best(page, results):
    """How often the second-best answer is right where the best is wrong."""
    rows = []
    for result in sorted(results, key=lambda one: one.epoch):
        reference = result.scores.get("reference") or {}
        wrong = reference.get("second_best_total")
        if not wrong:
            continue
        first, second = reference["exact"], reference["second_best_exact"]
        rows.append(
            (
                "bert" if result.name == "BERT" else "",
                [
                    label_of(result.epoch),
                    _name(result),
                    html.escape(result.seed),
                    percent(first),
                    count(wrong),
                    percent(second),
                    percent(reference["second_best_f1"]),
                    percent(first + second * wrong / reference["total"]),
                    page.files(result.files),
                ],
            )
        )
    if not rows:
        return
    page.add("<h3>Second-best answers</h3>")
    page.table(
        "By the reference work's scorer, percent: how often the best answer is right, and the second-best one where it is "
        "not. Right by either counts a question whose best or second-best answer is right.",
        [
            ("epoch", True),
            ("model", False),
            ("seed", True),
            ("best EM", True),
            ("questions it gets wrong", True),
            ("second-best EM of these", True),
            ("second-best F1 of these", True),
            ("right by either", True),
            ("files", False),
        ],
        rows,
    )


def _add_layer_subsets(page, task, subsets, plain):
    """Heads over some hidden states alone, beside all of them."""
    if not subsets:
        return
    heads = _with_plain(subsets, plain, lambda head: (len(head.layers), head.layers))
    page.add("<h3>Layer ablation</h3>")
    scored = [head for head in heads if head.main]
    if scored:
        page.figure(
            f"{task}-layer-subsets",
            charts.layer_subsets(scored),
            "F1 of heads that read some of the hidden states, and all of them.",
        )
    _heads_table(
        page,
        task,
        "Heads by the hidden states that they read (0 = embedding output"
        + ("; all read the pooled output too)." if task == "classification" else ")."),
        heads,
        [
            ("hidden states", False, lambda head: charts.layers_text(head.layers)),
            ("parameters", True, lambda head: count(head.parameters)),
        ],
    )


def _add_atlas(page, task, probes):
    """A head for each layer at each checkpoint."""
    if not probes:
        return
    page.add("<h3>Layer atlas</h3>")
    for name in sorted({probe.name for probe in probes if probe.main}):
        page.figure(
            f"{name.replace('_', '-')}-atlas",
            charts.layer_atlas([probe for probe in probes if probe.name == name and probe.main]),
            f"What each hidden state tells by itself at each checkpoint: a {html.escape(name.replace('_', ' '))} on it alone, "
            f"percent (mean of the seeds){'; EM is accuracy' if task == 'classification' else ''}. 0 is the embedding output.",
        )
    probes = sorted(probes, key=lambda probe: (probe.epoch, probe.name, probe.layers, probe.seed))
    _heads_table(
        page,
        task,
        "Probes of single hidden states.",
        probes,
        [
            ("hidden state", True, lambda probe: str(probe.layers[0])),
            ("parameters", True, lambda probe: count(probe.parameters)),
        ],
        is_first=lambda place: place == 0 or probes[place - 1].epoch != probes[place].epoch,
    )
