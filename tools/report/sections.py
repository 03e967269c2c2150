"""Puts the report together from what a run has."""

import platform

import vl_convert
from bert_section import add_bert
from experiment_section import add_experiments
from head_section import add_heads, add_layer_weights
from page import write_page
from page_parts import Column, Row, Table, words
from report_model import Report
from run_folder import TASKS


def build_report(run):
    report = Report(run)
    for task in TASKS:
        berts = [bert for bert in run.berts if bert.task == task]
        heads = [head for head in run.heads if head.task == task]
        in_training = [result for result in run.in_training if result.task == task]
        if berts or heads or in_training:
            add_bert(report, task, berts, in_training)
            add_heads(report, task, berts, run.plain_heads(task), ())
            add_experiments(report, task, berts)
            add_layer_weights(report, task, run.plain_heads(task))
    add_cost(report)
    return report


def add_cost(report):
    tunings = report.run.tunings
    if not tunings:
        return
    phases = list(tunings[0].summary.get("phases", {}))
    rows = []
    for tuning in tunings:
        summary = tuning.summary
        seconds, spent = summary.get("seconds") or 0, summary.get("phases", {})
        whole = sum(spent.values()) or 1
        rows.append(
            Row(
                [
                    tuning.task,
                    tuning.seed,
                    summary.get("ranks"),
                    summary.get("compute", ""),
                    seconds,
                    summary.get("sequences", 0) / max(seconds, 1e-9),
                    summary.get("tokens", 0) / max(seconds, 1e-9),
                    *(100 * spent.get(phase, 0) / whole for phase in phases),
                ],
                "",
                [tuning],
            )
        )
    columns = [
        words("task"),
        words("seed"),
        Column("ranks"),
        words("each rank"),
        Column("seconds", 0),
        Column("sequences/s", 1),
        Column("tokens/s", 0),
        *(Column(f"{phase.replace('_', '-')} %", 0) for phase in phases),
    ]
    caption = "Fine-tuning: time, and where rank 0 spent it (percent)."
    report.cost.named("Fine-tuning").tables.append(Table("cost", "Fine-tuning", caption, columns, rows))


def made_by():
    return f"Made by Python {platform.python_version()} and vl-convert {vl_convert.__version__} on {platform.platform()}."


def write_report(run, output):
    """Writes index.html, report.json and the folder `files` into the folder `output`."""
    write_page(build_report(run), output, made_by())
