"""What the page says of heads beside BERT: at which thresholds, whether the questions are enough, and of which seeds."""

import shutil

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import numpy as np
import pytest
from evidence import Evidence
from export import csv_of, latex_of, markdown_of
from made_scores import scores_of
from question_records import NAME
from run_folder import read_run
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sections import build_report
from significance import bootstrap


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


@pytest.mark.parametrize("absent", ["HasAns", "NoAns"])
def test_the_answer_none_has_no_score_over_questions_that_are_not_there(run, absent):
    for path in run.rglob("metrics.json"):
        metrics = bv.read_json(path)
        left = {key: value for key, value in metrics["official"].items() if not key.startswith(absent)}
        made_run.write_json(path, metrics | {"official": left})
    table = tables_of(run)["span-fine-tuning"]
    titles = [column.title for column in table.columns]
    (row,) = [dict(zip(titles, row.cells)) for row in table.rows if row.cells[0] == "always none"]
    assert (row["has-answer F1"], row["no-answer F1"]) == ((None, 100) if absent == "HasAns" else (0, None))


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


# --- several seeds of a head over one seed of fine-tuning ---


def with_second_head_seed(run, right):
    """Another head of the same recipe over the first seed of fine-tuning, trained under seed 7; returns its folder."""
    (own,) = run.glob(f"span/seed-1/heads/{HEADS[0]}/*/lr-0.001-seed-1")
    other = shutil.copytree(own, own.with_name("lr-0.001-seed-7"))
    write_right(run, other.relative_to(run / "span/seed-1"), right)
    metrics = bv.read_json(other / "metrics.json")
    made_run.write_json(other / "metrics.json", metrics | scores_of(other / NAME))
    return other


def rows_of_head(table):
    """The rows of the first head and of its seeds: cells by title."""
    titles = [column.title for column in table.columns]
    (row,) = [row for row in table.rows if row.cells[titles.index("head" if "head" in titles else "model")] == HEADS[0].replace("_", " ")]
    return [dict(zip(titles, one.cells)) for one in (row, *row.seeds)]


def test_seeds_of_a_head_are_named_and_are_no_further_seeds_of_fine_tuning(run):
    other = with_second_head_seed(run, [])
    own = bv.read_json(other.with_name("lr-0.001-seed-1") / "metrics.json")["official"]["f1"]
    tables = tables_of(run)
    whole, *seeds = rows_of_head(tables["span-heads"])
    assert whole["seed"] == "1 seed, 2 heads" and [row["seed"] for row in seeds] == ["1, head seed 1", "1, head seed 7"]
    assert [row["F1"] for row in seeds] == [pytest.approx(own), 0]
    for name in ("thresholds", "calibration"):
        assert [row["seed"] for row in rows_of_head(tables[f"span-{name}"])] == [whole["seed"], *(row["seed"] for row in seeds)], name
    assert "F1 results" in csv_of(tables["span-heads"]) and "F1 seeds" not in csv_of(tables["span-heads"])
    (row,) = rows_of_head(tables["span-significance"])
    assert row["seed"] == whole["seed"] and row["F1"].value == pytest.approx(own / 2, abs=1e-4)  # both results count
    assert tables["span-significance"].rows[0].source == tables["span-heads"].rows[1].source
    assert "There is one seed, so the interval tells nothing of other seeds." in answer_of(run)


def test_two_heads_of_a_seed_are_drawn_with_it(tmp_path):
    made_run.write_run(tmp_path / "study", made_run.Shape(questions=60, checkpoints=2, heads=2, head_checkpoints=1, seeds=2))
    with_second_head_seed(tmp_path / "study", [])
    whole, *seeds = rows_of_head(tables_of(tmp_path / "study")["span-heads"])
    assert whole["seed"] == "2 seeds, 3 heads" and [row["seed"] for row in seeds] == ["1, head seed 1", "1, head seed 7", "2"]
    evidence = Evidence(read_run(tmp_path / "study"), "span")
    head = next(one for one in evidence.heads if one.group.name == HEADS[0])
    assert {seed: numerators.shape for seed, (numerators, _) in head.parts("f1").items()} == {"1": (2, 60), "2": (1, 60)}
    assert evidence.score(head) == pytest.approx(whole["F1"].mean, abs=1e-4) and evidence.drawn_over == "questions and seeds"


def test_results_of_one_seed_share_its_draws():
    """Two results under seed 1, one under seed 2, each on questions that are all alike: a draw is all of seed 1 or all of seed 2."""
    def parts(*scores):
        return np.repeat(np.array(scores)[:, None], 50, axis=1), np.ones((len(scores), 50))

    found = bootstrap([{"1": parts(0.2, 0.4), "2": parts(0.9)}], np.arange(50))
    assert found.scores == pytest.approx([50]) and set(found.draws[0].round(6)) == {30, 90}


def test_experiments_keep_the_seeds_of_their_heads_apart(tmp_path):
    run = tmp_path / "study"
    made_run.write_run(run, made_run.Shape(questions=40, checkpoints=2, heads=2, head_checkpoints=2, seeds=1, experiments=True))
    for own in [path.parent for path in run.rglob("lr-0.001-seed-1*/metrics.json")]:
        shutil.copytree(own, own.with_name(own.name.replace("seed-1", "seed-7")))
    found = read_run(run)
    tables = {table.name: table for table in build_report(found).tables()}
    assert found.wrong == []
    for name in ("mixed", "shares", "ensembles", "layer-subsets", "atlas", "control", "atlas-control", "second-best"):
        place = [column.title for column in tables[f"span-{name}"].columns].index("seed")
        rows = [row for row in tables[f"span-{name}"].rows if row.cells[1] != "BERT"]
        told = {(row.cells[place], *(one.cells[place] for one in row.seeds)) for row in rows}
        assert told == {("1 seed, 2 heads", "1, head seed 1", "1, head seed 7")}, name
        assert "over questions and seeds" not in tables[f"span-{name}"].caption, name
