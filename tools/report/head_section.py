"""Heads over all hidden states, trained on all questions, beside BERT at the same checkpoint."""

import charts
import experiment_charts
from columns import MEANINGS
from groups import grouped, moved_text
from page_parts import Column, Figure, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell, name_of, score_table
from run_files import is_number, read_json_lines
from run_model import label_of
from significance_section import versus_columns, versus_text

HEADS_TITLE = "Heads against BERT at each checkpoint"


def heads_beside_bert(berts, heads):
    """Groups of heads, and of BERT at their checkpoints: checkpoint by checkpoint, BERT first."""
    groups = []
    for epoch in sorted({head.epoch for head in heads}):
        groups += grouped([bert for bert in berts if bert.epoch == epoch])
        groups += sorted(grouped([head for head in heads if head.epoch == epoch]), key=lambda one: one.parameters or 0)
    return groups


def add_heads(report, task, berts, heads, evidence):
    """`berts` and `heads` of one task; `evidence` has the records of its questions."""
    if not heads:
        report.missing.append(f"No head of the {task} task has been trained.")
        return
    groups = heads_beside_bert(berts, heads)
    scored = [group for group in groups if group.main("f1") is not None]
    name = f"{task}-heads"
    if scored:
        caption = (
            "Heads over the frozen states of a checkpoint, and BERT's own head at that checkpoint (top row). A line runs from "
            "the seed with the lowest score to the seed with the highest; the mark is the mean of the seeds."
        )
        report.figure(task, Figure(name, HEADS_TITLE, caption, charts.heads_against_bert(scored), name))
    whole = report.run.bert_parameters(task)

    def share(one):
        return 100 * one.parameters / whole if whole and one.parameters else None

    own = [
        (EPOCH, lambda one: epoch_cell(one.epoch)),
        (words("model"), lambda one: name_of(one, moved_text(one))),
        (SEED, lambda one: one.seed_text),
        (Column("parameters"), lambda one: one.parameters),
        (Column("% of BERT", 4, "share of BERT's parameters"), share),
    ]
    caption = f"Heads beside BERT at the same checkpoint. The parameters of a head are those that are trained, and of BERT all. {MEANINGS[task]}"
    caption += versus_text(evidence)
    report.table(task, score_table(name, HEADS_TITLE, caption, task, groups, own, versus_columns(evidence)))
    add_epochs_of_heads(report, task, heads)
    answered = charts.answers_kinds(scored) if task == "span" else None
    if answered:
        caption = (
            "F1 of the questions with an answer against F1 of the questions without one. A model that says “none” more often "
            "moves to the right and down."
        )
        report.figure(task, Figure("span-answer-kinds", "Has-answer and no-answer", caption, answered, name))


def lines_of_epochs(run, head):
    """(epoch, score after it), and (place within training, loss) of a head, from its metrics.jsonl."""
    path = head.files[0].with_name("metrics.jsonl")
    if not path.is_file():
        return [], []
    lines = [line for lines in run.attempt(read_json_lines, path) for line in lines]
    group = "official" if head.task == "span" else "classification"
    scores, losses = [], []
    for line in lines:
        epoch, f1 = line.get("epoch"), (line.get(group) or {}).get("f1")
        if not is_number(epoch):
            continue
        if is_number(f1):
            scores.append((epoch, f1))
        tenths = [loss for loss in line.get("loss_of_tenths") or [] if is_number(loss)]
        losses += [(epoch - 1 + (place + 1) / len(tenths), loss) for place, loss in enumerate(tenths)]
    return scores, losses


def add_epochs_of_heads(report, task, heads):
    """How heads got on over their own epochs."""
    scores, losses = [], []
    for head in heads:
        told = {"model": head.label, "epoch": label_of(head.epoch), "seed": head.seed_text}
        for lines, found in zip((scores, losses), lines_of_epochs(report.run, head)):
            lines += [{**told, "at": at, "value": value} for at, value in found]
    if len({line["at"] for line in scores}) > 1:
        spec = charts.epochs_of_heads(scores, "F1, percent")
        caption = "F1 on the dev questions after each epoch of a head's own training; one line for each seed."
        report.figure(task, Figure(f"{task}-head-epochs", "A head over its epochs", caption, spec))
    if losses:
        caption = "Loss of each tenth of an epoch of a head's own training; one line for each seed."
        spec = charts.epochs_of_heads(losses, "loss")
        report.figure(task, Figure(f"{task}-head-losses", "Losses of heads", caption, spec))


def largest_state(head, learned):
    place = max(range(len(learned["weights"])), key=learned["weights"].__getitem__)
    return head.weighed_states(learned)[place]


def add_layer_weights(report, task, heads):
    """The weights of learned poolings."""
    pooled = [head for head in heads if head.layer_weights]
    if not pooled:
        return
    name = f"{task}-layer-weights"
    caption = (
        "Share of each hidden state in a head's learned pooling (softmax of its weights), mean of the seeds. A uniform pooling would "
        "have one colour."
    )
    spec = experiment_charts.layer_weights(grouped(pooled))
    report.figure(task, Figure(name, "Learned layer weights", caption, spec, name))
    rows = [
        Row(
            [
                epoch_cell(head.epoch),
                name_of(head),
                head.seed_text,
                learned.get("gamma", 1.0),
                max(learned["weights"]),
                largest_state(head, learned),
            ],
            "",
            [head],
        )
        for head in pooled
        for learned in head.layer_weights
    ]
    columns = [EPOCH, words("head"), SEED, Column("scale γ", 3), Column("largest weight", 3), Column("at state")]
    report.table(task, Table(name, "Learned layer weights", "Learned poolings in numbers.", columns, rows))
