"""What the page says of heads beside BERT: at which thresholds, whether the questions are enough, and of which seeds."""

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import numpy as np
import pytest
from export import csv_of, latex_of, markdown_of
from question_records import NAME
from run_folder import read_run
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sections import build_report


@pytest.fixture
def run(tmp_path):
    """The span task: BERT at two checkpoints, two heads at one, one seed."""
    made_run.write_run(tmp_path / "study", made_run.Shape(questions=60, checkpoints=2, heads=2, head_checkpoints=1, seeds=1))
    return tmp_path / "study"


def tables_of(run):
    return {table.name: table for table in build_report(read_run(run)).tables()}


@pytest.mark.parametrize("held_out", [True, False])
def test_the_table_of_heads_says_where_differences_are_at_other_thresholds_than_its_scores(run, held_out):
    for path in run.glob("span/seed-1/heads/*/*/*/metrics.json") if held_out else ():
        metrics = bv.read_json(path)
        made_run.write_json(path, metrics | {"held_out": {"official": metrics["official"] | {"best_f1_thresh": -3.0, "best_f1": 90}}})
    table = tables_of(run)["span-heads"]
    titles = [column.title for column in table.columns]
    assert ("F1 − BERT's, held-out thresholds" in titles, "F1 − BERT's" in titles) == (held_out, not held_out)
    told = "differences to BERT are at thresholds that were chosen on held-out questions"
    assert all((told in text) == held_out for text in (table.caption, markdown_of(table), latex_of(table)))
    assert ("held-out thresholds" in csv_of(table)) == held_out


def write_right(run, place, right):
    """Records of answers, never "none", of which those in `right` (by their place among all questions) are right."""
    (path,) = run.glob(f"span/seed-1/{place}/{NAME}")
    with safe_open(path, framework="numpy") as file:
        about = file.metadata()
    columns = load_file(path)
    given = np.isin(np.arange(len(columns["exact"])), right) & (columns["answerable"] > 0)
    odds = np.full_like(columns["null_odds"], -9)
    columns |= {"exact": given.astype(np.uint8), "f1": given.astype(np.float32), "null_odds": odds, "none_score": columns["span_score"] + odds}
    save_file(columns, path, about)
    return np.flatnonzero(columns["answerable"])


def answer_of(run):
    report = build_report(read_run(run))
    return " ".join(sentence for part in report.answer.parts for sentence in part.sentences)


HEADS = ("adapter_386_shared", "adapter_386_shared_skip")


@pytest.fixture
def weak(run):
    """BERT is right about two questions at its last checkpoint and about none before, the heads about none; returns these two."""
    asked = write_right(run, "evaluations/epoch-0.1", [])
    for head in HEADS:
        write_right(run, f"heads/{head}/*/*", [])
    write_right(run, "evaluations/epoch-6", asked[:2])
    return asked[:2]


def test_no_head_is_chosen_where_the_questions_are_too_few_to_tell_it_from_one_that_is_never_right(run, weak):
    told = answer_of(run)
    assert "These questions are too few to compare heads with BERT: they would show a difference of " in told
    assert "reaches" not in told and "No head matches BERT" not in told


def test_a_head_that_can_be_compared_is_chosen_although_another_cannot(run, weak):
    write_right(run, f"heads/{HEADS[1]}/*/*", weak)
    told = answer_of(run)
    assert "These questions are too few to compare 1 of 2 heads with BERT: " in told
    assert "adapter 386 shared skip over epoch-0.1 states reaches 100 % of BERT's" in told
