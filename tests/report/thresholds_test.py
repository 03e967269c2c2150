"""tools/report/thresholds.py against the numbers of the official script, and by hand."""

from fractions import Fraction
from types import SimpleNamespace

import bv
import made_records
import made_run
import numpy as np
import pytest
from evidence import Evidence
from official_script import verdict_on
from origin import origin_of, require_alike
from page_parts import cell_text
from question_records import read_records
from report_model import Report
from run_folder import read_run
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from synthetic_run import write_json
from threshold_section import add_thresholds
from thresholds import average_precision, best, headline, held_out_scores, histogram, precision_recall, thinned, threshold_of


def test_best_thresholds_and_average_precisions_are_the_official_scripts(references):
    """The answers and probabilities that the official script was given, and what it printed."""
    folder = references / "reference" / "official_scorer"
    predictions, odds = bv.read_json(folder / "predictions.json"), bv.read_json(folder / "na_probs.json")
    answers = {
        question["id"]: [answer["text"] for answer in question["answers"]]
        for article in bv.read_json(references / "squad" / "dev.json")["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    expected = bv.read_json(folder / "expected.json")
    ids = [id for id in odds if id in answers]  # the script breaks ties by this order
    verdicts = [verdict_on(predictions[id], answers[id]) for id in ids]
    answerable = np.array([bool(answers[id]) for id in ids])
    none_scores = np.array([odds[id] for id in ids])
    # "none" in place of a span is right without an answer at any threshold: the script leaves such a question out of the search.
    spans = np.array([bool(predictions[id]) for id in ids]) | answerable
    for name, place in (("exact", 0), ("f1", 1)):
        right = np.array([verdict[place] for verdict in verdicts])
        assert 100 * average_precision(none_scores, right, answerable) == pytest.approx(expected[f"pr_{name}_ap"])
        threshold, score = best(none_scores[spans], right[spans], answerable[spans])
        assert 100 * (score * spans.sum() + (~spans).sum()) / len(ids) == pytest.approx(expected[f"best_{name}"])
        assert threshold == expected[f"best_{name}_thresh"]
    assert 100 * average_precision(none_scores, np.ones(len(ids)), answerable) == pytest.approx(expected["pr_oracle_ap"])


def test_the_best_threshold_by_hand():
    odds, right = np.array([-2.0, -1.0, 0.0, 1.0]), np.array([1, 0, 0.5, 1])
    answerable = np.array([True, False, True, True])
    assert best(odds, right, answerable) == (1.0, 2.5 / 4)  # 1, 2, 1, 1.5, 2.5
    assert best(odds, right, np.array([True, False, False, False])) == (-2.0, 1.0)
    assert best(odds, right * 0, answerable) == (-np.inf, 1 / 4)


def test_precision_and_recall_by_hand_equal_odds_are_accepted_together():
    odds, right = np.array([1.0, 0.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0, 1.0])
    answerable = np.array([True, True, True, False])
    precision, recall = precision_recall(odds, right, answerable)
    assert precision.tolist() == [1, 2 / 3, 2 / 4] and recall == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert average_precision(odds, right, answerable) == pytest.approx(1 / 3 + 2 / 3 / 3)
    assert average_precision(odds, right, np.zeros(4, bool)) == 0


def test_the_headline_threshold_is_the_one_of_held_out_questions(tmp_path):
    columns = made_records.span_columns(4, answerable=[1, 1, 0, 0], exact=[1, 0, 0, 0], f1=[1, 0.5, 0, 0], null_odds=[-3, 2, -1, 4])
    records = read_records(made_records.write_records(tmp_path / "q.safetensors", columns))
    given = headline(records)
    assert (given.threshold, given.source, given.exact, given.f1) == (0, "as given", 0.5, 0.5)
    assert (given.best_threshold, given.best_f1) == (-3, 0.75)
    chosen = headline(records, {"best_f1": 70.0, "best_f1_thresh": -2.0, "total": 10, "NoAns_total": 5})
    assert (chosen.threshold, chosen.source, chosen.exact, chosen.f1) == (-2, "held-out", 0.75, 0.75)
    none = headline(records, {"best_f1": 50.0, "best_f1_thresh": 0.0, "total": 10, "NoAns_total": 5})
    assert (none.threshold, none.f1) == (-np.inf, 0.5)
    assert threshold_of({"total": 10}) is None


def test_answers_at_a_held_out_threshold_stand_beside_those_as_given(tmp_path):
    run = tmp_path / "study"
    made_run.write_run(run, made_run.Shape(questions=30, checkpoints=2, heads=1, head_checkpoints=1, seeds=2))
    chosen = {1: -1.25, 2: -1e9}
    for seed, threshold in chosen.items():
        place = run / f"span/seed-{seed}/evaluations/held-out-threshold/epoch-6/metrics.json"
        source = {"path": f"/scratch/old/study/span/seed-{seed}/held-out/epoch-6/metrics.json", "fingerprint": "abcd"}
        write_json(place, {"official": {"exact": 70 + seed, "f1": 80 + seed},
                           "answers": {"n_best": 20, "null_threshold": threshold, "threshold_from": source}})
        write_json(run / f"span/seed-{seed}/held-out/epoch-6/metrics.json", {})
    found = read_run(run)
    require_alike(found)
    report = Report(found)
    add_thresholds(report, evidence := Evidence(found, "span"))
    rows = [row for row in report.tables()[0].rows if row.cells[1] == "BERT"]
    assert [row.cells[0].text for row in rows] == ["0.1", "6", "6"] and len(evidence.berts) == 2
    assert [(seed.cells[2], seed.cells[3].text, seed.cells[4]) for seed in rows[2].seeds] == [
        (str(seed), text, f"held-out: span/seed-{seed}/held-out/epoch-6/metrics.json (abcd)") for seed, text in ((1, "−1.25"), (2, "always none"))
    ]
    assert [cell.mean for cell in rows[2].cells[5:7]] == [71.5, 81.5] and rows[2].cells[7:] == [None] * 4
    facts = {fact.what: fact.file for fact in origin_of(found, rows[2].source[0], [])}
    assert facts["threshold"] == run / "span/seed-1/held-out/epoch-6/metrics.json"
    write_json(place, {"official": {"exact": 70, "f1": 80}})
    assert read_run(run).wrong == [f"{place}: 'answers' should be an object with a number 'null_threshold' and an object 'threshold_from', is None"]


@pytest.mark.parametrize("seeds, text", [((), None), ((1,), "always none for 1 of 3 seeds"), ((1, 2), "always none for 2 of 3 seeds"),
                                         ((1, 2, 3), "always none")])  # fmt: skip
def test_a_best_threshold_that_always_says_none_is_no_part_of_a_mean(tmp_path, seeds, text):
    run = tmp_path / "study"
    made_run.write_run(run, made_run.Shape(questions=30, checkpoints=1, heads=0, head_checkpoints=1, seeds=3))
    for seed in (1, 2, 3):
        (path,) = run.glob(f"span/seed-{seed}/evaluations/epoch-*/questions.safetensors")
        columns = load_file(path)
        columns["null_odds"] -= 5
        if seed in seeds:  # all answers are wrong, so that no threshold is better than "none" to every question
            columns |= {"exact": np.zeros(30, np.uint8), "f1": np.zeros(30, np.float32)}
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()
        save_file(columns, path, about)
    found = read_run(run)
    report = Report(found)
    add_thresholds(report, Evidence(found, "span"))
    (row,) = report.tables()[0].rows
    column = report.tables()[0].columns[7]
    assert column.title == "best threshold"
    of_seeds = [cell_text(one.cells[7], column) for one in row.seeds]
    assert [one == "always none" for one in of_seeds] == [seed in seeds for seed in (1, 2, 3)]
    if text is None:
        assert row.cells[7].mean < 0 and cell_text(row.cells[7], column) == f"−{-row.cells[7].mean:.2f} ± {row.cells[7].deviation:.2f}"
    else:
        assert (row.cells[7].text, row.cells[7].order) == (text, -1e9)


def test_held_out_scores_are_the_systems_own():
    def result(name, epoch, **scores):
        return SimpleNamespace(name=name, task="span", seed="1", epoch=Fraction(epoch), scores=scores)

    head = result("adapter", "1", held_out={"official": {"best_f1": 1}})
    training = [result("BERT", epoch, features="held", official={"epoch": epoch}) for epoch in ("0.3", "1")]
    assert held_out_scores(head, training, "dev") == {"best_f1": 1}
    assert held_out_scores(result("adapter", "1"), training, "dev") is None
    assert held_out_scores(result("BERT", "1"), training, "dev") == {"epoch": "1"}
    assert held_out_scores(result("BERT", "1"), training, "held") is None  # these are the report's own questions
    assert held_out_scores(result("BERT", "2"), training, "dev") is None


def test_histogram_counts_every_question():
    odds = np.concatenate([np.random.default_rng(1).normal(0, 1, 500), [1e6, -1e6]])
    answerable = odds < 0
    edges, has, none = histogram(odds, answerable, bins=20)
    assert len(edges) == 21 and has.sum() == answerable.sum() and none.sum() == (~answerable).sum()
    assert -5 < edges[0] < edges[-1] < 5
    edges, has, none = histogram(np.zeros(4), np.array([True, True, False, True]), bins=3)
    assert has.sum() == 3 and none.sum() == 1


def test_a_curve_is_thinned_to_its_ends_and_places_between():
    x, y = thinned(np.arange(1000), np.arange(1000) * 2, points=11)
    assert len(x) == 11 and x[0] == 0 and x[-1] == 999 and (y == 2 * x).all()
    assert len(thinned(np.arange(3), np.arange(3))[0]) == 3
