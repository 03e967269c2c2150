"""A study with two learning rates: every row and every mark says of which rate it is, and none is of both."""

import re
import shutil

import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import pytest
from run_folder import read_run
from sections import build_report

OWN, OTHER = "lr-0.001", "lr-0.003"
TABLES = ("heads", "shares", "layer-subsets", "mixed", "ensembles", "second-best", "atlas", "layer-weights", "control", "atlas-control",
          "significance", "thresholds", "calibration", "history")  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    # The fourteenth head has a learned pooling.
    made_run.write_run(run, made_run.Shape(questions=60, checkpoints=2, heads=14, head_checkpoints=2, seeds=2, experiments=True))
    for own in [path.parent for path in run.rglob(f"{OWN}-seed-*/metrics.json")]:
        other = shutil.copytree(own, own.with_name(own.name.replace(OWN, OTHER)))
        metrics = other / "metrics.json"  # an ensemble's names the files of its models
        metrics.write_text(metrics.read_text(encoding="utf-8").replace(OWN, OTHER), encoding="utf-8")
    report = build_report(read_run(run))
    assert report.wrong == []
    return report


@pytest.fixture(scope="module")
def values(report):
    return {figure.name: figure.spec["data"]["values"] for figure in report.figures()}


def recipe_in(name):
    return re.findall(rf"\(({OWN}|{OTHER})\)", name)


@pytest.mark.parametrize("name", TABLES)
def test_the_rows_of_a_table_are_told_apart_by_their_rate(report, name):
    (table,) = (table for table in report.tables() if table.name == f"span-{name}")
    place = next(i for i, column in enumerate(table.columns) if column.title in ("head", "model", "models"))
    names = [row.cells[place] for row in table.rows if row.cells[place] != "BERT"]
    assert [name for name in names if len(recipe_in(name)) != 1] == []
    assert {recipe for name in names for recipe in recipe_in(name)} == {OWN, OTHER}


def test_a_row_of_two_seeds_has_no_name_of_one_seed(report):
    (table,) = (table for table in report.tables() if table.name == "span-heads")
    for row in table.rows:
        assert row.cells[2] == "2 seeds" and "seed" not in row.cells[1] and [seed.cells[1] for seed in row.seeds] == [row.cells[1]] * 2


def test_every_mark_of_a_head_says_its_rate(values):
    with_models = {name for name, rows in values.items() if any("model" in row for row in rows)}
    assert {f"span-{name}" for name in ("pareto", "heads", "shares", "layer-subsets", "mixed", "ensembles", "second-best", "layer-weights",
                                        "head-steps", "answer-kinds")} <= with_models  # fmt: skip
    for name in with_models:
        heads = {row["model"] for row in values[name] if row.get("model", "BERT") != "BERT"}
        assert [model for model in heads if len(recipe_in(model)) != 1] == [], name
    assert all(len(recipe_in(row["what"])) == 1 for name in ("mixed", "ensembles") for row in values[f"span-{name}"])


def test_the_parts_of_a_bar_add_up_to_all_questions(values):
    bars = {}
    for row in values["span-second-best"]:
        bars.setdefault((row["model"], row["epoch"]), []).append(row["value"])
    assert len(bars) == 2 * (1 + 2 * 14)  # at both checkpoints: BERT, and each head by both rates
    assert [sum(parts) for parts in bars.values()] == [pytest.approx(100)] * len(bars)


def test_each_rate_has_a_layer_atlas_of_its_own(report, values):
    titles = {figure.name: figure.title for figure in report.figures()}
    for name, recipe in (("span-atlas", OWN), ("span-atlas-2", OTHER)):
        cells = [(row["epoch"], row["layer"], row["score"]) for row in values[name]]
        assert len(set(cells)) == len(cells) == 2 * 25 * 3
        assert titles[name] == f"Layer atlas: span probe ({recipe})"
    assert "span-atlas-3" not in values


def test_a_cell_of_the_layer_weights_is_of_one_rate(values):
    cells = [(row["epoch"], row["row"], row["state"]) for row in values["span-layer-weights"]]
    assert len(set(cells)) == len(cells) and {recipe_in(row)[0] for _, row, _ in cells} == {OWN, OTHER}


def test_the_systems_of_the_explorer_have_names_of_their_own(report):
    for task in report.explorers["tasks"]:
        names = [(one["name"], one["epoch"]) for one in task["systems"]]
        assert len(set(names)) == len(names)
        assert [name for name, _ in names if name != "BERT" and len(recipe_in(name)) != 1] == []
