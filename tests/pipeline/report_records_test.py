"""What the report makes of records of questions: the answer in a sentence, and a clear line for each that is not as it should be."""

import html
import json
import re
import shutil
import sys

import bv
import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from synthetic_run import page_of, refusal_of, text_of, write_json

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run

sys.path.insert(0, str(bv.SOURCE / "tools" / "report"))
from evidence import Evidence
from run_folder import read_run

NAME = "questions.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(questions=150, checkpoints=3, heads=3, head_checkpoints=1, seeds=1))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def sentences(page):
    return [text_of(one) for one in re.findall(r'<p class="sentence">(.*?)</p>', page, re.DOTALL)]


def figures_of(run):
    report = bv.read_json(run / "report" / "report.json")
    return {table["name"]: table for section in report["sections"] for part in section["parts"] for table in part["tables"]}


def records_of(run, place):
    (path,) = run.glob(f"span/seed-1/{place}/{NAME}")
    return path


def change(path, **columns):
    """Writes records anew with other columns or, by None, without them."""
    with open(path, "rb") as file:
        about = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    kept = {name: column for name, column in (load_file(path) | columns).items() if column is not None}
    save_file(kept, path, about)


def assert_answer_is_that_of_the_table(run, sentence, measure):
    """The sentence of a head against BERT has the figures of that head's row in the table of significance."""
    told = re.search(rf"^(.*) over epoch-(\S+) states reaches (\d+) % of BERT's {measure} with ([\d.e-]+) % of its parameters "
                     r"\(([\d.]+) against ([\d.]+) after (\S+) epochs?; difference ([−+]?[\d.]+), 95 % interval ([−+]?[\d.]+) to "
                     r"([−+]?[\d.]+): (.*?)\)", sentence)  # fmt: skip
    assert told, sentence
    table = figures_of(run)["span-significance"]
    assert f"{measure} in percent" in table["caption"]
    row = next(row["cells"] for row in table["rows"] if row["cells"][:2] == [told[2], told[1]])
    difference = row[7]
    assert f"{row[3]['value']:.1f}" == told[5]
    assert [f"{difference[key]:+.1f}".replace("-", "−") for key in ("value", "low", "high")] == list(told.groups()[7:10])
    assert told[11].startswith(difference["verdict"])


def test_the_answer_is_a_sentence_whose_figures_are_those_of_the_table(run):
    assert_answer_is_that_of_the_table(run, sentences(page_of(run))[0], "F1")


def test_where_bert_is_no_better_than_none_to_every_question_it_is_said(run):
    for path in run.glob(f"span/seed-1/evaluations/epoch-*/{NAME}"):
        columns = load_file(path)
        change(path, null_odds=np.full_like(columns["null_odds"], 9), none_score=columns["span_score"] + np.float32(9))
    said = sentences(page_of(run))
    assert said[0].startswith("BERT does not do better than “none” to every question, which scores 33.3")
    assert "nothing can be said of heads" in said[1]


def test_where_bert_does_worse_than_none_the_questions_with_an_answer_judge_in_sentence_and_table(run):
    for path in run.glob(f"span/seed-1/evaluations/epoch-*/{NAME}"):
        columns = load_file(path)
        change(path, null_odds=np.full_like(columns["null_odds"], -9), none_score=columns["span_score"] - np.float32(9),
               f1=columns["f1"] * columns["f1"].dtype.type(0.3))
    said = sentences(page_of(run))
    assert said[0].startswith("BERT does not do better than “none” to every question")
    assert re.match(r"Over all questions \d+ of 3 heads had a better F1 than BERT at the same checkpoint, ", said[1])
    assert said[1].endswith("heads are judged by the questions that have an answer.")
    assert_answer_is_that_of_the_table(run, said[2], "F1 of the questions with an answer")


def test_without_records_the_scores_are_told_and_that_nothing_tells_how_sure_they_are(run):
    for path in run.rglob(NAME):
        path.unlink()
    page = page_of(run)
    assert "How sure this is cannot be told: the run has no records of its questions." in " ".join(sentences(page))
    assert "No records of questions for 6 results of the span task, such as span/seed-1/evaluations/" in html.unescape(page)
    assert "span-significance" not in figures_of(run) and "span-heads" in figures_of(run)


def with_nan(path):
    odds = load_file(path)["null_odds"].copy()
    odds[3] = np.nan
    change(path, null_odds=odds)


@pytest.mark.parametrize(
    "harm, complaint",
    [
        (with_nan, "column 'null_odds' holds nan for question"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "cannot be read as safetensors"),
        (lambda path: change(path, f1=None), "has no column 'f1'"),
        (lambda path: change(path, begin=np.zeros(150, np.int64)), "column 'begin' is int64, expected int32"),
    ],
    ids=["nan", "cut short", "no column", "another type"],
)
def test_bad_records_are_named_and_cost_no_others(run, harm, complaint):
    path = records_of(run, "evaluations/epoch-6")
    harm(path)
    told = refusal_of(run)
    assert told.rc == 2
    (line,) = told.stderr.splitlines()
    assert str(path) in line and complaint in line
    systems = figures_of(run)["span-calibration"]["rows"]
    assert len(systems) == 3 + 3 - 1


def test_records_of_other_features_are_left_out_and_named(run):
    path = records_of(run, "evaluations/epoch-6")
    with open(path, "rb") as file:
        about = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    save_file(load_file(path), path, about | {"features": "0" * 32})
    page = html.unescape(page_of(run))
    assert f"Left out: {path.relative_to(run)} is of other questions (features {'0' * 32}" in page
    assert len(figures_of(run)["span-calibration"]["rows"]) == 3 + 3 - 1


@pytest.mark.parametrize("kept, told", [(slice(140), "140 questions, not 150"), (slice(None, None, -1), "other ids")])
def test_records_of_other_questions_of_the_same_features_say_in_what_they_differ(run, kept, told):
    path = records_of(run, "evaluations/epoch-6")
    change(path, **{name: np.ascontiguousarray(column[kept]) for name, column in load_file(path).items()})
    assert f"Left out: {path.relative_to(run)} is of other questions ({told})." in Evidence(read_run(run), "span").run.missing


def test_one_result_without_records_is_named(run):
    path = records_of(run, "evaluations/epoch-6")
    path.unlink()
    evidence = Evidence(read_run(run), "span")
    evidence.name_absent()
    assert f"No records of questions for 1 result of the span task: {path.relative_to(run)}." in evidence.run.missing


def test_tables_count_the_seeds_whose_records_are_there(tmp_path):
    run = tmp_path / "study"
    made_run.write_run(run, made_run.Shape(questions=60, checkpoints=2, heads=1, head_checkpoints=1, seeds=3))
    (head,) = run.glob(f"span/seed-2/heads/*/*/*/{NAME}")
    for path in (head, *run.glob(f"span/seed-[23]/evaluations/epoch-6/{NAME}")):
        path.unlink()
    page_of(run)
    tables = figures_of(run)
    for name in ("significance", "thresholds", "calibration", "disagreements"):
        rows = tables[f"span-{name}"]["rows"]
        assert [row["cells"][2] for row in rows if row["cells"][1] != "BERT"] == ["2 seeds"], name
        berts = [row for row in rows if row["cells"][1] == "BERT"]
        if name != "significance":  # its rows are heads
            assert [row["cells"][2] for row in berts] == ["3 seeds", "1"], name
            assert [path for path in berts[-1]["files"] if "seed-1" not in path] == [], name


def test_without_the_features_file_there_are_scores_and_no_texts(run):
    (run / "features" / "dev.h5").unlink()
    for path in run.rglob("metrics.json"):
        path.write_text(path.read_text().replace("/features/dev.h5", "/gone.h5"))
    page = html.unescape(page_of(run))
    assert "No texts of the span task: no features file has the fingerprint" in page
    assert "span-significance" in figures_of(run) and "span-words" not in figures_of(run)
    with h5py.File(run / "features" / "dev.h5", "w"):
        pass  # a features file in name alone
    assert "No texts of the span task" in html.unescape(page_of(run))


def test_a_cut_off_log_of_a_head_is_named_and_the_page_is_made(run):
    (path,) = run.glob("span/seed-1/heads/adapter_386_shared/*/*/metrics.json")
    path.with_name("metrics.jsonl").write_text('{"epoch":1,"official":{\n', encoding="utf-8")
    told = refusal_of(run)
    assert told.rc == 2 and str(path.with_name("metrics.jsonl")) in told.stderr
    assert "span-heads" in figures_of(run)


def test_a_result_of_other_features_is_refused_unless_told_to_and_then_marked(run):
    path = run / "span/seed-1/evaluations/epoch-6/metrics.json"
    metrics = bv.read_json(path)
    metrics["features"]["fingerprint"] = "f" * 32
    write_json(path, metrics)
    refused = refusal_of(run)
    assert refused.rc == 2 and "--mixed" in refused.stderr
    assert not (run / "report").exists()
    bv.run_tool("report/report.py", "--run", run, "--mixed", "--no-files")
    page = html.unescape((run / "report" / "index.html").read_text(encoding="utf-8"))
    assert f"[other features ({'f' * 32}" in page
