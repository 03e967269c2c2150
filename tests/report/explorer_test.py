"""The explorer's data: seeds, ensembles and mixed heads beside BERT and its heads, as many seeds as there is room for."""

import base64
import sys
import zlib

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import numpy as np
import pytest
from evidence import Evidence
from explorer_section import LEAD, add_explorers
from question_records import NAME, read_records
from report_model import Report
from run_folder import read_run

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(questions=40, checkpoints=2, heads=2, head_checkpoints=2, seeds=2, experiments=True))
    return run


def report_of(run, wanted=None):
    report = Report(read_run(run))
    add_explorers(report, [Evidence(report.run, "span")], wanted)
    return report


def seeds_of(report):
    return [(one["task"], one["seed"]) for one in report.explorers["tasks"]]


def column_of(explorer, name):
    """(Q, S) of a packed array; bits as flags."""
    kinds = {own: (kind, offset, count) for own, kind, offset, count in explorer["arrays"]}
    kind, offset, count = kinds[name]
    values = np.frombuffer(zlib.decompress(base64.b64decode(explorer["data"])), kind, count, offset).reshape(explorer["count"], -1)
    return np.unpackbits(values, axis=1, bitorder="little")[:, : len(explorer["systems"])] if name in ("right", "none") else values


def test_it_has_every_seed_and_what_each_system_answered(run):
    report = report_of(run)
    assert seeds_of(report) == [("span", "1"), ("span", "2")]
    assert report.explorer.lead == LEAD
    second = report.explorers["tasks"][1]
    names = [(one["name"], one["epoch"]) for one in second["systems"]]
    assert len(set(names)) == len(names) == 2 + 2 * 2 + 2 + 2 * 2 * 2  # BERT, heads, mixed, ensembles
    for name, place in (
        (("BERT", "6"), "evaluations/epoch-6"),
        (("adapter 386 shared", "0.1"), "heads/adapter_386_shared/epoch-0.1/lr-0.001-seed-2"),
        (("adapter 386 shared, trained at epoch 0.1", "6"), "evaluations/mixed/adapter_386_shared/epoch-0.1-on-6/lr-0.001-seed-2"),
        (("BERT + adapter 386 shared (mean)", "6"), "evaluations/ensembles/adapter_386_shared+BERT/epoch-6/lr-0.001-seed-2-mean"),
    ):
        records, system = read_records(run / "span/seed-2" / place / NAME), names.index(name)
        assert (column_of(second, "right")[:, system] == records.correct()).all()
        assert (column_of(second, "none")[:, system] == records.says_none()).all()
        assert column_of(second, "span_share")[:, system] == pytest.approx(100 * records["span_probability"], abs=0.51)


@pytest.mark.parametrize("wanted, shown, other", [(None, "1", "2"), ("2", "2", "1")])
def test_without_room_it_has_one_seed_and_says_so(run, monkeypatch, wanted, shown, other):
    monkeypatch.setattr("explorer_section.ROOM", 0)
    report = report_of(run, wanted)
    assert seeds_of(report) == [("span", shown)]
    assert f"it lacks span, seed {other}." in report.explorer.lead and "--explorer-seed SEED" in report.explorer.lead


def test_a_seed_that_is_not_there_is_an_error(run):
    told = bv.run_tool("report/report.py", "--run", run, "--no-files", "--explorer-seed", 7, check=False)
    assert told.rc == 2 and told.stderr == f"error: report: --explorer-seed: {run} has no results of seed 7; expected one of: 1, 2\n"
