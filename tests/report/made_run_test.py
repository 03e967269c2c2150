"""tools/bench/report.py makes a run whose records, metrics and texts belong together."""

import json
from collections import Counter

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import numpy as np
import pytest
from official_script import verdict_on
from question_records import read_records
from question_texts import read_texts
from run_folder import read_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run, and what the tool printed."""
    folder = tmp_path_factory.mktemp("made") / "run"
    printed = bv.run_tool("bench/report.py", "--output", folder, "--questions", 90, "--checkpoints", 4, "--heads", 3,
                          "--head-checkpoints", 2, "--seeds", 2, "--tasks", "span,classification").stdout
    return folder, json.loads(printed)


def test_the_run_is_whole_and_as_large_as_was_asked_for(made):
    folder, printed = made
    run = read_run(folder)
    assert run.missing == []
    assert Counter((bert.task, bert.seed) for bert in run.berts) == {
        (task, seed): 4 for task in ("span", "classification") for seed in ("1", "2")}
    assert len(run.heads) == 2 * 2 * 3 * 2 and len(run.in_training) == 2 * 2 * 4
    assert printed["systems"] == len(list(folder.rglob("questions.safetensors"))) == len(list(folder.rglob("metrics.json")))
    assert len(run.heads) == len({(head.task, head.seed, head.name, head.epoch) for head in run.heads})


def test_scores_and_answers_are_those_of_the_texts(made):
    folder, _ = made
    texts = read_texts(folder / "features" / "dev.h5")
    head = next(head for head in read_run(folder).heads if head.task == "span")
    records = read_records(head.files[0].with_name("questions.safetensors"), texts.fingerprint)
    places = texts.places(records.ids)
    assert len(records) == 90 and (texts.context_of[places] == records["context"]).all()
    right = []
    for q, place in enumerate(places):
        golds = [answer.text for answer in texts.answers[place]]
        assert bool(golds) == records["answerable"][q]
        exact, f1 = verdict_on(texts.span(place, records["begin"][q], records["end"][q]), golds)
        assert (exact, pytest.approx(f1)) == (records["exact"][q], records["f1"][q])
        right.append((exact, f1) if records.null_odds[q] <= 0 else (not golds,) * 2)
    assert 100 * np.mean(right, axis=0) == pytest.approx([head.main["exact"], head.main["f1"]])


def test_answers_get_better_and_some_questions_are_forgotten(made):
    folder, _ = made
    berts = [bert for bert in read_run(folder).berts if (bert.task, bert.seed) == ("span", "1")]
    right = np.array([read_records(bert.files[0].with_name("questions.safetensors")).correct() for bert in berts])
    assert right[-1].mean() > right[0].mean() + 0.2
    assert 0 < (right[-2] & ~right[-1]).sum() < (~right[0] & right[-1]).sum()
    assert (~right).all(axis=0).any()


def test_the_same_numbers_give_the_same_run(made, tmp_path):
    folder, _ = made
    bv.run_tool("bench/report.py", "--output", tmp_path / "run", "--questions", 90, "--checkpoints", 4, "--heads", 3,
                "--head-checkpoints", 2, "--seeds", 1)
    own = "span/seed-1/evaluations/epoch-6/questions.safetensors"
    first, second = (read_records(run / own).columns for run in (folder, tmp_path / "run"))
    assert first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


def test_a_folder_that_exists_is_an_error_that_names_it(made):
    folder, _ = made
    refused = bv.run_tool("bench/report.py", "--output", folder, check=False)
    assert refused.rc == 2 and refused.stderr == f"error: bench: {folder} exists; expected a folder that can be made\n"
