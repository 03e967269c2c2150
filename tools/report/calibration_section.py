"""Whether the systems know when they are right: calibration and selective answering."""

import judgement_charts as charts
from calibration import COVERAGE, accuracy_at, area_under_risk, confidence_of, reliability, risk_coverage
from groups import spread
from page_parts import Column, Figure, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell
from run_model import label_of
from threshold_section import curve


def add_calibration(report, evidence):
    task, name = evidence.task, f"{evidence.task}-calibration"
    rows = []
    for system in evidence.systems:
        told = {seed: figures_of(one, system.thresholds[seed]) for seed, one in system.records.items()}
        begin = [epoch_cell(system.group.epoch), system.name]
        seeds = []
        if len(told) > 1:
            seeds = [Row([*begin, one.seed_text, *told[one.seed_text]], "seed", [one]) for one in system.results]
        cells = [spread(values) for values in zip(*told.values())]
        rows.append(Row([*begin, system.seed_text, *cells], "bert" if system.is_bert else "", system.results, seeds))
    caption = (
        "Calibration error: the expected calibration error, which is the mean distance between confidence and accuracy over 15 bins of "
        f"confidence. Accuracy at {100 * COVERAGE:.0f} %: the accuracy if only the {100 * COVERAGE:.0f} % of the questions are answered of "
        "which a system is most sure. Mean risk: the mean share of wrong answers over all such shares of the questions (less is better). "
        "All in percent."
        + evidence.thresholds_text
    )
    columns = [
        EPOCH,
        words("model"),
        SEED,
        Column("calibration error", 2),
        Column("accuracy", 2),
        Column(f"accuracy at {100 * COVERAGE:.0f} %", 2),
        Column("mean risk", 2),
    ]
    title = "Calibration and selective answering"
    report.table(task, Table(name, title, caption, columns, rows))
    add_figures(report, evidence, name)


def figures_of(records, threshold):
    confidence, correct = confidence_of(records, threshold), records.correct(threshold)
    shown = reliability(confidence, correct).error, correct.mean(), accuracy_at(confidence, correct), area_under_risk(confidence, correct)
    return [100 * float(value) for value in shown]


def add_figures(report, evidence, table):
    task = evidence.task
    bins, lines = [], []
    for system in evidence.systems:
        found = reliability(confidence_of(system.one, system.threshold), system.one.correct(system.threshold))
        told = {"model": system.name, "epoch": epoch_cell(system.group.epoch).text}
        for count, x, y in zip(found.counts, found.confidence, found.accuracy):
            if count:
                bins.append({**told, "x": round(100 * float(x), 2), "y": round(100 * float(y), 2), "count": int(count)})
    caption = (
        "How often answers with a given confidence are right: one panel for each model, one line for each checkpoint. On the dashed line "
        "the confidence is right, and below it the model is too sure. If there are several seeds, this is the first one."
    )
    labels = [label_of(epoch) for epoch in sorted({system.group.epoch for system in evidence.systems})]
    report.figure(task, Figure(f"{task}-reliability", "Reliability", caption, charts.reliability(bins, labels), table))
    epochs = {head.group.epoch for head in evidence.heads}
    for system in evidence.systems:
        if system.group.epoch in epochs or not epochs:
            coverage, risk = risk_coverage(confidence_of(system.one, system.threshold), system.one.correct(system.threshold))
            told = {"model": system.name, "epoch": epoch_cell(system.group.epoch).text}
            for x, y in curve(coverage, risk):
                lines.append({**told, "x": round(100 * float(x), 2), "y": round(100 * float(y), 2)})
    caption = (
        "Share of wrong answers if a model answers only the questions of which it is most sure. There is one line for each model; BERT's is "
        "blue. If there are several seeds, this is the first one."
    )
    report.figure(task, Figure(f"{task}-risk-coverage", "Risk and coverage", caption, charts.risk_coverage(lines), table))
