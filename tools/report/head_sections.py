"""What the report says of heads over all hidden states."""

import html

import charts
from columns import COLUMNS, MEANINGS, count, score_cells
from run_folder import label_of


def add_heads(page, task, berts, heads):
    """Heads over all hidden states, trained on all questions, beside BERT at the same checkpoint."""
    page.add("<h3>Heads against BERT</h3>")
    if not heads:
        page.add("<p>No head has been trained.</p>")
        return
    epochs = sorted({head.epoch for head in heads})
    beside = [bert for bert in berts if bert.epoch in epochs]
    scored = [result for result in [*beside, *heads] if result.main]
    if scored:
        page.figure(
            f"{task}-heads",
            charts.heads_against_bert(scored),
            "EM and F1 of heads over the frozen states of a checkpoint, and of BERT's own head at that checkpoint.",
        )
    whole = page.run.bert_parameters(task)
    header = [
        ("epoch", True),
        ("model", False),
        ("seed", True),
        ("parameters", True),
        ("% of BERT", True),
        *((title, True) for title, _, _ in COLUMNS[task]),
        ("files", False),
    ]
    rows = []
    for epoch in epochs:
        group = [result for result in [*beside, *heads] if result.epoch == epoch]
        for place, result in enumerate(group):
            share = f"{100 * result.parameters / whole:.4f}" if whole and result.parameters else "–"
            name = html.escape(result.name.replace("_", " "))
            if result.dev_epoch is not None and result.dev_epoch != epoch:
                name += f" (scored on states of epoch {label_of(result.dev_epoch)})"
            same = [other for other in group if (other.name, other.seed) == (result.name, result.seed)]
            if len(same) > 1:
                name += f" ({html.escape(result.variant)})"
            if result.diverged:
                name += f" ({result.diverged}; its best epoch before)"
            kind = " ".join(["first"] * (place == 0) + ["bert"] * (result.name == "BERT"))
            rows.append(
                (
                    kind,
                    [
                        label_of(epoch),
                        name,
                        html.escape(result.seed),
                        count(result.parameters),
                        share,
                        *score_cells(result),
                        page.files(result.files),
                    ],
                )
            )
    page.table(
        "Heads beside BERT at the same checkpoint. Parameters are trained ones of a head, and all of BERT's. "
        + MEANINGS[task],
        header,
        rows,
    )


def add_layer_weights(page, task, heads):
    """What learned poolings learned."""
    pooled = [head for head in heads if head.layer_weights]
    if not pooled:
        return
    page.add("<h3>Learned layer weights</h3>")
    page.figure(
        f"{task}-layer-weights",
        charts.layer_weights(pooled),
        "Share of each hidden state in a head's learned pooling (softmax of its weights; a uniform pooling would "
        "be flat).",
    )
    page.table(
        "Poolings in numbers.",
        [
            ("epoch", True),
            ("head", False),
            ("seed", True),
            ("scale γ", True),
            ("largest weight", True),
            ("at state", True),
            ("files", False),
        ],
        [
            (
                "",
                [
                    label_of(head.epoch),
                    html.escape(head.name.replace("_", " ")),
                    html.escape(head.seed),
                    f"{learned.get('gamma', 1):.3f}",
                    f"{max(learned['weights']):.3f}",
                    largest_state(head, learned),
                    page.link(head.files[1]),
                ],
            )
            for head in pooled
            for learned in head.layer_weights
        ],
    )


def largest_state(head, learned):
    place = max(range(len(learned["weights"])), key=learned["weights"].__getitem__)
    return head.weighed_states(learned)[place]
