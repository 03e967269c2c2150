"""What the report says of a run, section by section."""

import html
import platform

import altair
import charts
import vl_convert
from columns import COLUMNS, MEANINGS, count, percent, score_cells
from experiments import add_experiments
from head_sections import add_heads, add_layer_weights
from page import Page
from run_folder import TASKS, label_of


def always_none(berts):
    """(EM of the answer "none" to every question, the result it was computed from), from the totals of an evaluation."""
    for bert in berts:
        official = bert.scores.get("official") or {}
        if official.get("total"):
            return 100 * official.get("NoAns_total", 0) / official["total"], bert
    return None, None


def add_curve(page, task, berts, questions):
    """`questions`: what the BERTs were scored on."""
    page.add("<h3>Fine-tuning</h3>")
    scored = [bert for bert in berts if bert.main]
    if not scored:
        page.add("<p>No checkpoint has been evaluated.</p>")
        return
    none, source = always_none(scored) if task == "span" else (None, None)
    majority = next((bert for bert in scored if "majority_exact" in bert.main), None)
    line, dashed = none, ' Dashed: "none" for every question.'
    if task == "classification":
        line = majority.main["majority_exact"] if majority else None
        dashed = " Dashed: accuracy of the more frequent class."
    page.figure(
        f"{task}-fine-tuning",
        charts.fine_tuning_curve(scored, line),
        f"{'EM' if task == 'span' else 'Accuracy (EM)'} and F1 of BERT on {questions} at each checkpoint."
        + (' F1 of the answerable questions shows what of F1 is not owed to the answer "none".' if task == "span" else "")
        + (dashed if line is not None else ""),
    )
    add_bert_table(page, task, berts, majority, (none, source))


def add_bert_table(page, task, berts, majority, of_none):
    """`majority`: a result that knows the accuracy of the more frequent class, or None. `of_none`: the F1 of "none"
    everywhere and the result that tells it, or two None."""
    none, source = of_none
    header = [
        ("epoch", True),
        ("seed", True),
        *((title, True) for title, _, _ in COLUMNS[task]),
        ("files", False),
    ]
    rows = [
        ("", [label_of(bert.epoch), html.escape(bert.seed), *score_cells(bert), page.files(bert.files)])
        for bert in berts
    ]
    width = len(COLUMNS[task])
    if none is not None:
        cells = [percent(none), percent(none), percent(0.0), percent(100.0), *[""] * (width - 4)]
        rows.append(
            ("first", ["always none", "", *cells, "from the totals of " + page.link(source.files[0])])
        )
    if majority:
        rows.append(
            (
                "first",
                [
                    "always the same",
                    "",
                    percent(majority.main["majority_exact"]),
                    *[""] * (width - 1),
                    page.link(majority.files[0]),
                ],
            )
        )
    for other in (other for other in page.run.others if other.task == task):
        rows.append(
            (
                "",
                [
                    html.escape(other.name),
                    html.escape(other.seed),
                    *score_cells(other),
                    page.files(other.files),
                ],
            )
        )
    page.table(f"BERT at each checkpoint, and trivial answers. {MEANINGS[task]}", header, rows)


def add_gains(page, task, in_training):
    """What each fraction of an epoch bought, by the evaluations in training."""
    if not in_training:
        return
    columns = [column for column in COLUMNS[task] if column[0] in ("EM", "accuracy", "F1", "best F1")]
    rows, before = [], None
    for result in in_training:
        cells = [label_of(result.epoch), html.escape(result.seed), f"{result.rank_hours:.3g}"]
        cells += [percent((result.scores.get(group) or {}).get(key)) for _, group, key in columns]
        gains = ["", ""]
        if before and before.seed == result.seed:
            gained, spent = result.main["f1"] - before.main["f1"], result.rank_hours - before.rank_hours
            gains = [f"{gained:+.2f}", f"{gained / spent:+,.1f}" if spent > 0 else "–"]
        rows.append(("", [*cells, *gains, page.link(result.files[0])]))
        before = result
    page.table(
        "What each fraction of an epoch bought, by the evaluations in training. Rank-hours are hours of training, without "
        "evaluation, times ranks (GPUs, where there are any); gains are over the checkpoint before.",
        [
            ("epoch", True),
            ("seed", True),
            ("rank-hours", True),
            *((title, True) for title, _, _ in columns),
            ("F1 gained", True),
            ("F1 a rank-hour", True),
            ("files", False),
        ],
        rows,
    )


def add_cost(page):
    page.add("<h2>Cost and configuration</h2>")
    if page.run.tunings:
        phases = list(page.run.tunings[0].summary.get("phases", {}))
        rows = []
        for tuning in page.run.tunings:
            summary = tuning.summary
            seconds, spent = summary.get("seconds") or 0, summary.get("phases", {})
            whole = sum(spent.values()) or 1
            rows.append(
                (
                    "",
                    [
                        tuning.task,
                        html.escape(tuning.seed),
                        count(summary.get("ranks")),
                        html.escape(summary.get("compute", "")),
                        f"{seconds:,.0f}",
                        f"{summary.get('sequences', 0) / max(seconds, 1e-9):,.1f}",
                        f"{summary.get('tokens', 0) / max(seconds, 1e-9):,.0f}",
                        *(f"{100 * spent.get(phase, 0) / whole:.0f} %" for phase in phases),
                        page.link(tuning.file),
                    ],
                )
            )
        page.table(
            "Fine-tuning: time, and where rank 0 spent it.",
            [
                ("task", False),
                ("seed", True),
                ("ranks", True),
                ("each rank", False),
                ("seconds", True),
                ("sequences/s", True),
                ("tokens/s", True),
                *((phase.replace("_", "-"), True) for phase in phases),
                ("files", False),
            ],
            rows,
        )
    else:
        page.add("<p>No finished fine-tuning.</p>")
    page.add("<h3>Configuration</h3>")
    for path in page.run.configs:
        text = html.escape(path.read_text(encoding="utf-8", errors="replace"))
        page.add(f"<details><summary>{page.link(path)}</summary><pre>{text}</pre></details>")
    if not page.run.configs:
        page.add("<p>No resolved configuration was found.</p>")
    page.add(
        "<h3>Environment</h3>",
        f"<p>Report made by Python {platform.python_version()}, Altair {altair.__version__} and "
        f"vl-convert {vl_convert.__version__} on {html.escape(platform.platform())}.</p>",
    )


def write_report(run, output):
    """Writes index.html and its figures into the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    page = Page(run, output)
    page.add(
        f'<p class="lead">Small heads over every hidden layer of a lightly fine-tuned BERT. {len(run.berts)} evaluated '
        f"checkpoints, {len(run.heads)} trained heads. Every row links the files its numbers came from, relative to the "
        "run's folder.</p>"
    )
    if run.missing:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in run.missing)
        page.add(f'<div class="note"><strong>Missing from this run</strong><ul>{items}</ul></div>')
    for task in TASKS:
        berts = [bert for bert in run.berts if bert.task == task]
        heads = [head for head in run.heads if head.task == task]
        in_training = [result for result in run.in_training if result.task == task]
        if berts or heads or in_training:
            page.add(f'<h2>{"Span task" if task == "span" else "Classification task"}</h2>')
            if in_training and not berts:
                add_curve(page, task, in_training, "the questions of its evaluations in training")
            else:
                add_curve(page, task, berts, "the dev questions")
            add_gains(page, task, in_training)
            add_heads(page, task, berts, run.plain_heads(task))
            add_experiments(page, task, berts)
            add_layer_weights(page, task, run.plain_heads(task))
    add_cost(page)
    page.write()
