"""What the page compares where a model has results under some seeds alone, or several recipes."""

import shutil

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import numpy as np
import pytest
from evidence import Evidence
from export import markdown_of
from made_scores import scores_of
from question_records import NAME
from run_folder import read_run
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sections import build_report

SHAPE = dict(questions=300, checkpoints=2, heads=1, head_checkpoints=2, seeds=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(**SHAPE))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def write_right(path, share):
    """Records of answers, never "none": the first `share` of the questions that have an answer are right."""
    with safe_open(path, framework="numpy") as file:
        about = file.metadata()
    columns = load_file(path)
    asked = np.flatnonzero(columns["answerable"])
    given = np.isin(np.arange(len(columns["exact"])), asked[: round(share * len(asked))])
    odds = np.full_like(columns["null_odds"], -9)
    columns |= {"exact": given.astype(np.uint8), "f1": given.astype(np.float32), "null_odds": odds, "none_score": columns["span_score"] + odds}
    save_file(columns, path, about)
    metrics = bv.read_json(path.with_name("metrics.json"))
    made_run.write_json(path.with_name("metrics.json"), metrics | scores_of(path))


def bert(run, seed, epoch):
    return run / f"span/seed-{seed}/evaluations/epoch-{epoch}/{NAME}"


def head(run, seed, epoch):
    (found,) = run.glob(f"span/seed-{seed}/heads/*/epoch-{epoch}/*/{NAME}")
    return found


def take_away_heads(run, *seeds):
    for seed in seeds:
        shutil.rmtree(run / f"span/seed-{seed}/heads")


def report_of(run):
    report = build_report(read_run(run))
    answer = " ".join(sentence for part in report.answer.parts for sentence in part.sentences)
    return answer, {table.name: table for table in report.tables()}


def cells(table):
    return [dict(zip([column.title for column in table.columns], row.cells)) for row in table.rows]


def test_a_head_is_compared_with_bert_under_the_seeds_that_both_have(run):
    """It has exactly BERT's answers of seed 1; under the other seeds BERT is worse, and the head has no results."""
    take_away_heads(run, 2, 3)
    for seed, share in ((1, 0.9), (2, 0.3), (3, 0.3)):
        for epoch in ("0.1", "6"):
            write_right(bert(run, seed, epoch), share)
    for epoch in ("0.1", "6"):
        write_right(head(run, 1, epoch), 0.9)
    answer, tables = report_of(run)
    assert "reaches 100 % of BERT's" in answer and "not distinguishable" in answer and "better, " not in answer
    assert "There is one seed, so the interval tells nothing of other seeds. Both are compared under the seeds that both have." in answer
    for row in cells(tables["span-significance"]):
        for title in ("− BERT, same checkpoint", "− BERT, epoch 0.1"):
            assert (row[title].value, row[title].low, row[title].high) == (0, 0, 0), title
        assert (row["p (Holm)"], row["beats BERT"], row["better than"], row["worse than"]) == (1, "no", 0, 0)
    assert "Two models are compared under the seeds that both have." in markdown_of(tables["span-significance"])
    assert "Two models are compared under the seeds that both have." in markdown_of(tables["span-heads"])


def test_a_difference_is_that_of_the_shared_seeds(run):
    take_away_heads(run, 3)
    evidence, whole = Evidence(read_run(run), "span"), Evidence(read_run(run), "span")
    one, other = evidence.heads[0], evidence.bert_at(evidence.heads[0].group.epoch)
    for seed in (1, 2, 3):
        shutil.rmtree(run / f"span/seed-{seed}/evaluations") if seed == 3 else None
    both = Evidence(read_run(run), "span")
    expected = both.difference(both.heads[0], both.bert_at(both.heads[0].group.epoch))
    assert evidence.difference(one, other) == expected
    assert evidence.pair_of_scores(one, other)[0] == pytest.approx(whole.score(whole.heads[0]))


def test_models_without_a_common_seed_are_not_compared(run):
    take_away_heads(run, 2, 3)
    shutil.rmtree(run / "span/seed-1/evaluations")
    answer, tables = report_of(run)
    assert answer.startswith("No answer yet: no head has a seed of BERT's best checkpoint.")
    for row in cells(tables["span-significance"]):
        assert all(row[title] is None for title in ("− BERT, same checkpoint", "p (Holm)", "beats BERT", "− BERT, epoch 6"))


def test_the_history_of_a_model_is_that_of_one_seed(run):
    """Under each seed nothing changes from one checkpoint to the next; between seeds much does."""
    for seed, share in ((1, 0.2), (2, 0.8), (3, 0.8)):
        for epoch in ("0.1", "6"):
            write_right(bert(run, seed, epoch), share)
    shutil.rmtree(bert(run, 1, "0.1").parent)
    _, tables = report_of(run)
    row = cells(tables["span-history"])[0]
    assert row["model"] == "BERT" and (row["learned"], row["forgotten"], row["forgetting events a question"]) == (0, 0, 0)


def test_uniquely_right_questions_are_those_of_one_seed(run):
    take_away_heads(run, 1, 3)
    for seed, share in ((1, 0.2), (2, 0.8)):
        write_right(bert(run, seed, "6"), share)
    write_right(head(run, 2, "6"), 0.8)
    _, tables = report_of(run)
    row = cells(tables["span-context-lengths"])[-1]
    assert (row["only the head right"], row["only BERT right"]) == (0, 0)


def test_recipes_of_a_head_are_models_of_their_own(run):
    for own in [path.parent for path in run.glob("span/seed-*/heads/*/*/lr-0.001-seed-*/metrics.json")]:
        shutil.copytree(own, own.with_name(own.name.replace("0.001", "0.01")))
    _, tables = report_of(run)
    for name in ("significance", "thresholds", "calibration"):
        told = [tuple(map(str, row.cells[:2])) for row in tables[f"span-{name}"].rows]
        assert len(set(told)) == len(told), name
    for row in cells(tables["span-history"]):
        epochs = row["over epochs"].split(", ")
        assert len(set(epochs)) == len(epochs) == 2
    assert len(tables["span-history"].rows) == 3
