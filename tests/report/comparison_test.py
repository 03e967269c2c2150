"""What the page says of heads beside BERT: at which thresholds."""

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import pytest
from export import csv_of, latex_of, markdown_of
from run_folder import read_run
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
