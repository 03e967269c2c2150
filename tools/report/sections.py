"""Puts the report together from the content of a run."""

import platform

import vl_convert
from answer_section import add_answer
from bert_section import add_bert
from calibration_section import add_calibration
from control_section import add_control
from disagreement_section import add_disagreements
from evidence import Evidence
from experiment_section import add_experiments
from explorer_section import add_explorers
from head_cost_section import add_head_cost
from head_section import add_heads, add_layer_weights
from history_section import add_history
from page import write_page
from progress_section import add_progress
from published_section import add_published
from report_model import Report
from run_model import TASKS
from significance_section import add_significance
from threshold_section import add_thresholds


def build_report(run, explorer_seed=None):
    """`explorer_seed`: the seed that the explorer shows, where it cannot show all."""
    report, evidences = Report(run), []
    for task in TASKS:
        berts = [bert for bert in run.berts if bert.task == task]
        heads = [head for head in run.heads if head.task == task]
        in_training = [result for result in run.in_training if result.task == task]
        if berts or heads or in_training:
            evidences.append(add_task(report, task, berts, in_training))
    add_explorers(report, evidences, explorer_seed)
    for evidence in evidences:
        evidence.name_absent()
    add_published(report)
    add_progress(report)
    add_head_cost(report)
    return report


def add_task(report, task, berts, in_training):
    """All but the explorer; returns the task's Evidence."""
    run = report.run
    evidence = Evidence(run, task)
    add_answer(report, task, evidence)
    add_bert(report, task, berts, in_training)
    add_heads(report, task, berts, run.plain_heads(task), evidence)
    add_experiments(report, task, berts, evidence)
    add_control(report, task, evidence)
    add_layer_weights(report, task, run.plain_heads(task))
    if evidence.systems:
        add_significance(report, evidence)
        add_thresholds(report, evidence)
        add_calibration(report, evidence)
        add_disagreements(report, evidence)
        add_history(report, evidence)
    return evidence


def write_report(run, output, files=True, explorer_seed=None):
    """Writes index.html, report.json and, where it is wanted, the folder `files` into the folder `output`."""
    made_by = f"Made by Python {platform.python_version()} and vl-convert {vl_convert.__version__} on {platform.platform()}."
    write_page(build_report(run, explorer_seed), output, made_by, files)
