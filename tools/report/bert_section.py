"""BERT over the epochs of its fine-tuning, beside trivial answers."""

import charts
from columns import MEANINGS, SCORES, score_cells, score_columns
from groups import grouped
from page_parts import Column, Figure, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell, rows_of


def always_none(berts):
    """(F1 of the answer "none" to every question, the result whose totals say so); (None, None) where none does."""
    for bert in berts:
        official = bert.scores.get("official") or {}
        if official.get("total"):
            return 100 * (official.get("NoAns_total") or 0) / official["total"], bert
    return None, None


def trivial_score(task, berts):
    """The score of the best answer that looks at nothing, in percent, where the results of BERT tell it; else None."""
    if task == "span":
        return always_none(berts)[0]
    return next((bert.main["majority_exact"] for bert in berts if "majority_exact" in bert.main), None)


def add_bert(report, task, berts, in_training):
    """`in_training`: evaluations that bv_finetune made; they stand for the curve where there are no others."""
    shown = berts or in_training
    questions = "the dev questions" if berts else "the questions of its evaluations in training"
    scored = [bert for bert in shown if bert.main]
    if not scored:
        report.missing.append(f"No checkpoint of the {task} task has scores.")
        return
    none, source = always_none(scored) if task == "span" else (None, None)
    majority = next((bert for bert in scored if "majority_exact" in bert.main), None)
    line, dashed = none, " Dashed: “none” for every question."
    if task == "classification":
        line = majority.main["majority_exact"] if majority else None
        dashed = " Dashed: accuracy of the more frequent class."
    exact = "EM" if task == "span" else "Accuracy"
    caption = f"{exact} and F1 of BERT on {questions} at each checkpoint; the line goes through the means of the seeds."
    if task == "span":
        caption += " F1 of the questions with an answer leaves out what the answer “none” earns."
    caption += dashed if line is not None else ""
    name = f"{task}-fine-tuning"
    report.figure(
        task, Figure(name, "BERT over fractional epochs", caption, charts.fine_tuning_curve(scored, line), name)
    )
    others = [other for other in report.run.others if other.task == task]
    rows = rows_of(grouped(shown), lambda one: [epoch_cell(one.epoch), one.seed_text])
    rows += trivial_rows(task, (none, source), majority)
    rows += rows_of(grouped(others), lambda one: [one.name, one.seed_text])
    caption = f"BERT on {questions} at each checkpoint, and trivial answers. {MEANINGS[task]}"
    columns = [words("epoch"), SEED, *score_columns(task)]
    report.table(task, Table(name, "BERT over fractional epochs", caption, columns, rows))
    add_gains(report, task, in_training)


def trivial_rows(task, of_none, majority):
    """`of_none`: the F1 of "none" to every question and the result that tells it, or two None. `majority`: a result that
    knows the accuracy of the more frequent class, or None."""
    rows, width = [], len(SCORES[task])
    none, source = of_none
    if none is not None:
        asked, impossible = (source.main.get(f"{kind}_f1") is not None for kind in ("HasAns", "NoAns"))
        cells = [none, none, 0.0 if asked else None, 100.0 if impossible else None, *[None] * (width - 4)]
        rows.append(Row(["always none", "", *cells], "trivial", [source]))
    if majority:
        cells = ["always the same", "", majority.main["majority_exact"], *[None] * (width - 1)]
        rows.append(Row(cells, "trivial", [majority]))
    return rows


def add_gains(report, task, in_training):
    """The gain in each fraction of an epoch, by the evaluations in training."""
    if not in_training:
        return
    chosen = [place for place, (title, _, _) in enumerate(SCORES[task]) if title in ("EM", "accuracy", "F1", "best F1")]
    rows, before = [], None
    for result in in_training:
        scores = score_cells(result)
        gains = [None, None]
        if before and before.seed == result.seed:
            gained, spent = result.main["f1"] - before.main["f1"], result.rank_hours - before.rank_hours
            gains = [gained, gained / spent if spent > 0 else None]
        cells = [epoch_cell(result.epoch), result.seed, result.rank_hours, *(scores[place] for place in chosen), *gains]
        rows.append(Row(cells, "", [result]))
        before = result
    report.table(
        task,
        Table(
            f"{task}-gains",
            "Gain in each fraction of an epoch",
            "The gain in each fraction of an epoch, by the evaluations in training. Rank-hours are hours of training, without "
            "evaluation, times ranks (GPUs, where there are any); gains are over the checkpoint before.",
            [
                EPOCH,
                SEED,
                Column("rank-hours", 3),
                *(score_columns(task)[place] for place in chosen),
                Column("F1 gained", 2, signed=True),
                Column("F1 a rank-hour", 1, signed=True),
            ],
            rows,
        ),
    )
