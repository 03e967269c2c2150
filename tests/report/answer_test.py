"""The answer's sentences at the edges: a BERT within noise of a trivial answer, one head, no question with an answer, no records."""

import csv
import io
import json
import shutil

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import numpy as np
import pytest
from answer_section import comparable, sentences_of
from evidence import Evidence
from export import csv_of, markdown_of, report_json
from question_records import NAME
from run_folder import read_run
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sections import build_report
from significance import Difference
from synthetic_run import official, write_json, write_run

NONE = "“none” to every question"
JUDGED = "So heads are judged by the questions that have an answer."


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both tasks: BERT at two checkpoints, one head at the first, one seed."""
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(150, checkpoints=2, heads=1, head_checkpoints=1, seeds=1, tasks=["span", "classification"]))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def change(run, pattern, columns_of):
    """Writes records anew with the columns that `columns_of` gives for the columns that they have."""
    paths = [path for path in run.glob(f"{pattern}/{NAME}") if "-none" not in path.parent.name]
    assert paths
    for path in paths:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()
        columns = load_file(path)
        save_file(columns | columns_of(columns), path, about)


def right_about(count):
    """Columns of a span model that says "none", but to its first `count` questions with an answer, which it answers right."""

    def columns_of(columns):
        given = np.zeros(len(columns["exact"]), bool)
        given[np.flatnonzero(columns["answerable"])[:count]] = True
        odds = np.where(given, -9, 9).astype(np.float32)
        return {"exact": given.astype(np.uint8), "f1": given.astype(np.float32), "null_odds": odds, "none_score": columns["span_score"] + odds}

    return columns_of


def answer_of(run, task="span"):
    found = read_run(run)
    return sentences_of(found, task, Evidence(found, task))[0]


def test_a_bert_within_noise_of_none_to_every_question_counts_as_no_better(run):
    change(run, "span/seed-1/evaluations/epoch-*", right_about(1))
    first, second, *_ = answer_of(run)
    assert first.startswith(f"BERT does not do better than {NONE}, which scores 33.3: its best F1 is 34.0 (epoch 0.1; difference +0.7, 95 % ")
    assert first.endswith("interval 0.0 to +2.0: not distinguishable).")
    assert second.startswith("Over all questions ") and second.endswith(JUDGED)


def test_a_bert_that_is_surely_better_than_none_counts(run):
    change(run, "span/seed-1/evaluations/epoch-*", right_about(30))
    assert "BERT does not do better" not in " ".join(answer_of(run))


def test_a_bert_within_noise_of_the_more_frequent_class_counts_as_no_better(run):
    def but_one(columns):
        said_none = np.arange(len(columns["answerable"])) == np.flatnonzero(columns["answerable"] == 0)[0]
        return {"none_probability": np.where(said_none, 0.9, 0.1).astype(np.float32)}

    change(run, "classification/seed-1/evaluations/epoch-*", but_one)
    first, second = answer_of(run, "classification")
    assert first.startswith("BERT does not do better than the more frequent class for every question, which scores 66.7: its best accuracy is 67.3")
    assert "difference +0.7, 95 % interval 0.0 to +" in first and second == "So nothing can be said of heads against it."


def test_heads_are_compared_only_where_a_head_that_says_none_to_all_would_be_seen():
    def head(smallest):
        return Difference(-1.0, -2.0, 1.0, 0.4, smallest, 0.4)

    heads = [object(), object()]
    told = {id(heads[0]): head(2.0), id(heads[1]): head(5.0)}
    kept, (sentence,) = comparable(heads, told, "span", "F1", (36.0, 33.0))
    assert kept == heads[:1]
    assert sentence == ("These questions are too few to compare 1 of 2 heads with BERT: for such a head they would show only differences that are "
                        f"larger than the distance of BERT to that answer (36.0, 3.0 points more than that of {NONE}).")
    kept, (sentence,) = comparable(heads, told, "span", "F1", (34.0, 33.0))
    assert kept == []
    assert sentence == ("These questions are too few to compare heads with BERT: they would show a difference of 2.0 points or more, and BERT's F1 "
                        f"is only 34.0, 1.0 points more than that of {NONE}.")
    assert comparable(heads, told, "span", "F1 of the questions with an answer", (6.0, 0.0)) == (heads, [])


def test_one_head_that_is_worse_is_the_only_one(run):
    change(run, "span/seed-1/evaluations/epoch-*", right_about(60))
    change(run, "span/seed-1/heads/*/*/*", right_about(10))
    told = " ".join(answer_of(run))
    assert "No head matches BERT: the only one is worse." in told and "each of the 1" not in told


def test_without_any_question_that_has_an_answer_it_is_said(run):
    def wrong(columns):
        zeros = {name: np.zeros_like(columns[name]) for name in ("answerable", "exact", "f1")}
        return zeros | {"null_odds": np.full_like(columns["null_odds"], -9)}

    change(run, "span/seed-1/**", wrong)
    assert answer_of(run) == [f"BERT does not do better than {NONE}, which scores 100.0: its best F1 is 0.0 (epoch 0.1).",
                              "No question has an answer, so nothing can be said of heads against it."]


# --- without records ---


def set_bert(run, epoch, **scores):
    path = run / f"span/seed-1/evaluations/epoch-{epoch}/metrics.json"
    metrics = bv.read_json(path)
    write_json(path, metrics | {"official": metrics["official"] | scores})


@pytest.fixture
def plain(tmp_path):
    """Heads at epochs 0.3 and 1; BERT at 0, 0.3, 1 and 2."""
    return write_run(tmp_path / "study")


def test_without_records_a_head_is_not_set_against_the_trivial_score_of_an_early_checkpoint(plain):
    for epoch, exact in (("0", 5.0), ("0.3", 20.0), ("1", 30.0), ("2", 20.0)):
        set_bert(plain, epoch, **official(exact))
    set_bert(plain, "0.3", f1=100 / 3, HasAns_f1=0.0)
    first, second, claim = answer_of(plain)
    assert first == f"BERT does not do better than {NONE}, which scores 33.3: its best F1 is 33.3 (epoch 0.3)."
    assert second == JUDGED
    assert "over epoch-1 states reaches 204 % of BERT's F1 of the questions with an answer" in claim
    assert "(55.0 against 27.0 after 1 epoch)" in claim


def test_without_records_a_head_is_set_against_no_earlier_checkpoint_than_its_own(plain):
    set_bert(plain, "0.3", **official(90.0))
    (claim,) = answer_of(plain)
    assert "over epoch-0.3 states reaches " in claim and "after 0.3 epochs)" in claim
    for epoch in ("0.3", "1"):
        for path in plain.glob(f"span/seed-1/heads/*/epoch-{epoch}"):
            shutil.rmtree(path) if epoch == "0.3" else None
    assert answer_of(plain) == ["No head was trained on a checkpoint as early as BERT's best."]


def test_without_records_and_without_questions_that_have_an_answer_it_is_said(plain):
    for path in plain.rglob("metrics.json"):
        metrics = bv.read_json(path)
        if "official" in metrics:
            kept = {key: value for key, value in metrics["official"].items() if not key.startswith("HasAns")}
            write_json(path, metrics | {"official": kept | {"NoAns_total": 240}})
    assert answer_of(plain)[-1] == "No question has an answer, so nothing can be said of heads against it."


# --- too few paragraphs ---


def test_below_twenty_paragraphs_there_is_no_p_value(tmp_path):
    run = tmp_path / "study"
    made_run.write_run(run, made_run.Shape(questions=30, checkpoints=2, heads=2, head_checkpoints=1, seeds=1))
    report = build_report(read_run(run))
    (table,) = (table for table in report.tables() if table.name == "span-significance")
    place = [column.title for column in table.columns].index("p (Holm)")
    assert "too few to show whether a difference is noise" in table.caption
    assert [row.cells[place] for row in table.rows] == [None, None]
    assert all(line.split(" | ")[place].strip() == "–" for line in markdown_of(table).splitlines()[-2:])
    assert [row["p (Holm)"] for row in csv.DictReader(io.StringIO(csv_of(table)))] == ["", ""]
    parts = [part for section in json.loads(report_json(report, run))["sections"] for part in section["parts"]]
    (told,) = (one for part in parts for one in part["tables"] if one["name"] == table.name)
    assert [row["cells"][place] for row in told["rows"]] == [None, None]
