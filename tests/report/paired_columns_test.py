"""Experiments beside their natural partners: the difference, its interval and the verdict are those of the records of questions."""

import json
import shutil
import sys

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import numpy as np
import pytest
from evidence import Evidence
from experiment_section import add_experiments
from page_parts import Difference
from question_records import NAME, read_records
from report_model import Report
from run_folder import read_run
from safetensors.numpy import load_file, save_file
from significance import bootstrap

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run

HEAD, OWN, OTHER = "adapter_386_shared", "0.1", "6"  # its checkpoints in the made-up run
RIGHT, WRONG = True, False
COLUMNS = {
    "span-mixed": ["F1 − where trained", "F1 − trained there"],
    "span-shares": ["F1 − of all questions"],
    "span-ensembles": ["F1 − best single model's", "F1 − BERT's"],
    "span-second-best": ["right by either − BERT's"],
    "span-layer-subsets": ["F1 − of all states"],
    "span-atlas": ["F1 − last state's"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(questions=60, checkpoints=2, heads=2, head_checkpoints=2, seeds=2, experiments=True))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def tables_of(run):
    report = Report(read_run(run))
    berts = [bert for bert in report.run.berts if bert.task == "span"]
    evidence = Evidence(report.run, "span")
    add_experiments(report, "span", berts, evidence)
    evidence.name_absent()
    return {table.name: table for table in report.tables()}, report.run


def cells_of(table, title, **wanted):
    """The cells of a column, of the rows with these cells under these titles."""
    titles = [column.title for column in table.columns]
    place = titles.index(title)
    texts = {key.replace("_", " "): value for key, value in wanted.items()}
    return [row.cells[place] for row in table.rows
            if all(getattr(cell := row.cells[titles.index(key)], "text", cell) == value for key, value in texts.items())]


def folder(run, place, seed=1):
    return run / f"span/seed-{seed}" / place.format(seed=seed)


def answer(folder, verdict):
    """Makes all answers right, or all wrong."""
    path = folder / NAME
    columns = load_file(path)
    with open(path, "rb") as file:
        about = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    for name in ("exact", "f1", "reference_exact", "reference_f1", "reference_second_exact"):
        columns[name] = np.full_like(columns[name], verdict)
    none = np.where(columns["answerable"], -9, 9) if verdict else np.full(len(columns["answerable"]), -9)
    save_file(columns | {"null_odds": none.astype(np.float32)}, path, about)


def test_each_table_has_its_differences_with_intervals(run):
    tables, _ = tables_of(run)
    for name, titles in COLUMNS.items():
        assert "Brackets hold 95 % intervals over questions and seeds, each by itself" in tables[name].caption, name
        for title in titles:
            told = [cell for cell in cells_of(tables[name], title) if cell]
            assert told and all(isinstance(cell, Difference) and cell.low <= cell.value <= cell.high for cell in told), (name, title)


def test_a_difference_is_that_of_the_bootstrap_over_both_seeds(run):
    tables, _ = tables_of(run)
    (shown,) = cells_of(tables["span-mixed"], "F1 − where trained", head=HEAD.replace("_", " "))
    places = (f"evaluations/mixed/{HEAD}/epoch-{OWN}-on-{OTHER}/lr-0.001-seed-{{seed}}", f"heads/{HEAD}/epoch-{OWN}/lr-0.001-seed-{{seed}}")
    records = [{seed: read_records(folder(run, place, seed) / NAME) for seed in (1, 2)} for place in places]
    parts = [{str(seed): one.f1_parts() for seed, one in some.items()} for some in records]
    expected = bootstrap(parts, records[0][1]["context"]).difference(0, 1)
    assert (shown.value, shown.low, shown.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_verdicts_of_answers_that_are_all_right_all_wrong_and_the_same(run):
    for seed in (1, 2):
        head = f"heads/{HEAD}/epoch-{OWN}/lr-0.001-seed-{{seed}}"
        answer(folder(run, head, seed), RIGHT)
        answer(folder(run, f"evaluations/epoch-{OWN}", seed), WRONG)
        answer(folder(run, f"{head}-share-0.1", seed), WRONG)
        answer(folder(run, f"{head}-layers-24", seed), RIGHT)
        answer(folder(run, f"evaluations/ensembles/{HEAD}+BERT/epoch-{OWN}/lr-0.001-seed-{{seed}}-max", seed), RIGHT)
        for layer, verdict in ((7, RIGHT), (24, WRONG)):
            answer(folder(run, f"heads/span_probe/epoch-{OWN}/lr-0.001-seed-{{seed}}-layer-{layer:02}", seed), verdict)
    tables, _ = tables_of(run)
    name, better, worse, same = HEAD.replace("_", " "), (100, 100, 100, "better"), (-100, -100, -100, "worse"), (0, 0, 0, "not distinguishable")
    for table, title, wanted, expected in (
        ("shares", "F1 − of all questions", {"head": name, "%_of_the_questions": 10.0}, worse),
        ("layer-subsets", "F1 − of all states", {"head": name, "hidden_states": "24"}, same),
        ("ensembles", "F1 − BERT's", {"models": f"BERT + {name}", "combined_by": "max"}, better),
        ("second-best", "right by either − BERT's", {"model": name}, better),
        ("atlas", "F1 − last state's", {"hidden_state": 7}, better),
    ):
        (shown,) = cells_of(tables[f"span-{table}"], title, epoch=OWN, **wanted)
        assert (shown.value, shown.low, shown.high, shown.verdict) == pytest.approx(expected), table


def test_results_without_records_have_plain_differences_and_are_named_in_one_line(run):
    for path in run.glob(f"span/seed-*/heads/*/epoch-*/*-share-*/{NAME}"):
        path.unlink()
    tables, found = tables_of(run)
    told = [cell for cell in cells_of(tables["span-shares"], "F1 − of all questions") if cell is not None]
    assert told and all(isinstance(cell, float) for cell in told) and "intervals" not in tables["span-shares"].caption
    (line,) = [line for line in found.missing if line.startswith("No records")]
    assert line.startswith("No records of questions for 72 results of the span task, such as span/seed-1/heads/")
