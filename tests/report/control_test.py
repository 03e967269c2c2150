"""Heads trained on shuffled labels: beside their twins in tables and a figure of their own, and nowhere else."""

import shutil
import sys

import bv
import made_records  # finds tools/report and tools/bench
import numpy as np
import pytest
from synthetic_run import page_of, refusal_of, write_json

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run
from control_section import add_control
from evidence import Evidence
from question_records import NAME, read_records
from report_model import Report
from run_folder import read_run
from safetensors.numpy import load_file, save_file
from significance import bootstrap

HEAD = "adapter_386_shared"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(questions=60, checkpoints=2, heads=2, head_checkpoints=1, seeds=2, experiments=True))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def control_of(run, head=HEAD, seed=1, layer=""):
    (folder,) = run.glob(f"span/seed-{seed}/heads/{head}/epoch-*/*-seed-{seed}{layer}-shuffled-labels")
    return folder


def tables_of(run):
    report = bv.read_json(run / "report/report.json")
    return {table["name"]: table for section in report["sections"] for part in section["parts"] for table in part["tables"]}


def rest_of(run):
    """All of the report but what is of the control, and what training cost: the controls were trained too."""
    report = bv.read_json(run / "report/report.json")
    report["sections"] = [section for section in report["sections"] if section["name"] != "cost"]
    for part in [part for section in report["sections"] for part in section["parts"]]:
        for kind in ("figures", "tables"):
            part[kind] = [one for one in part[kind] if "control" not in one["name"]]
    return report


def test_controls_change_nothing_else_of_the_report(run):
    page_of(run)
    names, with_controls = set(tables_of(run)), rest_of(run)
    assert {"span-control", "span-atlas-control"} <= names
    for folder in run.glob("*/seed-*/heads/*/*/*-shuffled-labels"):
        shutil.rmtree(folder)
    page_of(run)
    assert {name for name in names if "control" in name} == names - set(tables_of(run))
    assert rest_of(run) == with_controls


def test_selectivity_is_the_difference_with_its_interval(run):
    page = page_of(run)
    row = next(row for row in tables_of(run)["span-control"]["rows"] if row["cells"][1] == HEAD.replace("_", " "))
    control = {seed: control_of(run, seed=seed) for seed in (1, 2)}
    twin = {seed: folder.with_name(folder.name.removesuffix("-shuffled-labels")) for seed, folder in control.items()}
    scores = [np.mean([bv.read_json(folder / "metrics.json")["official"]["f1"] for folder in some.values()]) for some in (twin, control)]
    assert [cell["mean"] for cell in row["cells"][3:5]] == pytest.approx(scores)
    records = [{seed: read_records(folder / NAME) for seed, folder in some.items()} for some in (twin, control)]
    parts = [{seed: one.f1_parts() for seed, one in some.items()} for some in records]
    expected = bootstrap(parts, records[0][1]["context"]).difference(0, 1)
    assert [row["cells"][5][key] for key in ("value", "low", "high")] == pytest.approx([expected.value, expected.low, expected.high])
    assert row["cells"][5]["value"] == pytest.approx(scores[0] - scores[1], abs=1e-3)
    assert [seed["cells"][2] for seed in row["seeds"]] == ["1", "2"]
    assert "Hewitt and Liang (2019)" in page and "by the labels' frequencies alone" in page.replace("&#39;", "'")


def test_every_layer_of_the_atlas_has_its_selectivity(run):
    page = page_of(run)
    table = tables_of(run)["span-atlas-control"]
    assert [row["cells"][3] for row in table["rows"]] == list(range(25))
    assert all({"value", "low", "high"} <= row["cells"][6].keys() for row in table["rows"])
    assert page.count('data-figure="span-atlas-control"') == 1


def test_without_records_selectivity_has_no_interval(run):
    (control_of(run) / NAME).unlink()
    page_of(run)
    first, second = tables_of(run)["span-control"]["rows"]
    assert isinstance(first["cells"][5], float) and isinstance(second["cells"][5], dict)
    assert first["cells"][5] == pytest.approx(first["cells"][3]["mean"] - first["cells"][4]["mean"])


def test_records_that_are_absent_or_of_other_questions_are_named_once(run):
    folders = [control_of(run, seed=seed) for seed in (1, 2)]
    twins = [folder.with_name(folder.name.removesuffix("-shuffled-labels")) for folder in folders]
    (twins[0] / NAME).unlink()
    shutil.copy(next(run.glob("span/seed-2/evaluations/never-none")) / NAME, twins[1] / NAME)
    columns = load_file(twins[1] / NAME)
    save_file(columns, twins[1] / NAME, {"task": "span", "features": "e" * 32, "version": "1", "null_threshold": "0",
                                         "disagreements": made_records.REASONS})
    page_of(run)
    missing = bv.read_json(run / "report/report.json")["missing"]
    for twin in twins:
        assert len([line for line in missing if f"{twin.relative_to(run)}/{NAME}" in line]) == 1, missing


def copy_heads(run, wanted, change):
    """Heads and their controls once more, in folders of another name."""
    for folder in [*run.glob(f"span/seed-*/heads/{wanted}"), *run.glob(f"span/seed-*/heads/{wanted}-shuffled-labels")]:
        shutil.copytree(folder, folder.with_name(folder.name.replace(*change)))


def test_rows_and_lines_of_two_recipes_are_told_apart(run):
    copy_heads(run, "*/*/lr-0.001-seed-?", ("lr-0.001", "lr-0.1"))
    copy_heads(run, "span_probe/*/lr-0.001-seed-?-layer-0[0-3]", ("lr-0.001", "lr-0.1"))
    report = report_of(run)
    tables, figures = ({one.name: one for one in some} for some in (report.tables(), report.figures()))
    name = HEAD.replace("_", " ")
    assert {f"{name} (lr-0.001)", f"{name} (lr-0.1)"} <= {row.cells[1] for row in tables["span-control"].rows}
    atlas = [row.cells[1] for row in tables["span-atlas-control"].rows]
    assert atlas.count("span probe (lr-0.001)") == 25 and atlas.count("span probe (lr-0.1)") == 4
    spec = figures["span-atlas-control"].spec
    assert {row["recipe"] for row in spec["data"]["values"]} == {"lr-0.001", "lr-0.1"}
    assert spec["spec"]["layer"][1]["encoding"]["strokeDash"]["field"] == "recipe"


def report_of(run):
    report = Report(read_run(run))
    add_control(report, "span", Evidence(report.run, "span"))
    return report


def test_a_control_that_diverged_or_is_marked_says_so_in_its_row(run):
    path = control_of(run, seed=2) / "metrics.json"
    write_json(path, bv.read_json(path) | {"diverged": {"epoch": 2, "step": 7}})
    report = Report(read_run(run))
    next(one for one in report.run.controls if one.files[0] == path).mark = "other scorer"
    add_control(report, "span", Evidence(report.run, "span"))
    told = f"{HEAD.replace('_', ' ')} (its control diverged in epoch 2, by step 7; its best epoch before) [its control: other scorer]"
    row = next(row for row in report.tables()[0].rows if row.cells[1] == told)
    assert [row.cells[1], *(seed.cells[1] for seed in row.seeds)] == [told, HEAD.replace("_", " "), told]


def test_captions_say_what_intervals_are_over_and_that_each_is_by_itself(run):
    for seeds, words in ((2, "over questions and seeds, each by itself"), (1, "over questions, each by itself")):
        report = report_of(run)
        (figure,) = report.figures()
        assert len(report.tables()) == 2
        assert all(words in one.caption for one in [*report.tables(), figure]), seeds
        shutil.rmtree(run / "span/seed-2", ignore_errors=True)


def test_a_probe_of_no_layer_is_an_error_that_names_the_file(run):
    (folder,) = run.glob("span/seed-1/heads/span_probe/*/lr-0.001-seed-1-layer-03")
    for layers in ([], "all"):
        write_json(folder / "head.json", bv.read_json(folder / "head.json") | {"layers": layers})
        (line,) = read_run(run).wrong
        assert line.startswith(f"{folder / 'head.json'}: 'layers' should ") and line.endswith(f"is {layers!r}")


def test_seeds_that_lack_one_of_both_are_left_out_and_named(run):
    folder = control_of(run, "span_probe", seed=2, layer="-layer-03")
    shutil.rmtree(folder.with_name(folder.name.removesuffix("-shuffled-labels")))
    page = page_of(run)
    assert f"No head with true labels beside 1 control on shuffled labels: {folder.relative_to(run)}." in page
    row = next(row for row in tables_of(run)["span-atlas-control"]["rows"] if row["cells"][3] == 3)
    assert row["cells"][2] == "1" and "seeds" not in row


@pytest.mark.parametrize("told", [False, "yes"])
def test_files_of_a_head_that_contradict_each_other_are_named(run, told):
    path = control_of(run) / "metrics.json"
    write_json(path, bv.read_json(path) | {"shuffled_labels": told})
    refused = refusal_of(run)
    assert refused.rc == 2 and f"{path}: 'shuffled_labels' should be true or false" in refused.stderr
    assert f"{told!r} in metrics.json and True in head.json" in refused.stderr
