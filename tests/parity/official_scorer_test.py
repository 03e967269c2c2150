"""bv_eval --predictions prints what the official script evaluate-v2.0.py prints for the same files."""

import json

import pytest

import bv

CASES = {
    "expected.json": ["--na-probs"],
    "expected_threshold_0.5.json": ["--na-probs", "--na-prob-threshold", "0.5"],
    "expected_no_probs.json": [],
}


def score(shared, flags):
    folder = shared / "reference" / "official_scorer"
    command = ["--predictions", folder / "predictions.json", "--squad", shared / "squad" / "dev.json"]
    for flag in flags:
        command += [flag, folder / "na_probs.json"] if flag == "--na-probs" else [flag]
    return bv.run("bv_eval", *command).stdout


@pytest.mark.parametrize("name", CASES)
def test_every_field_agrees(shared, name):
    expected = bv.read_json(shared / "reference" / "official_scorer" / name)
    found = json.loads(score(shared, CASES[name]))
    assert [key for key in found if key in expected] == list(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-9), key


def test_without_probabilities_there_is_nothing_about_thresholds(shared):
    expected = bv.read_json(shared / "reference" / "official_scorer" / "expected_no_probs.json")
    assert score(shared, []) == json.dumps(expected, indent=2) + "\n"


def test_output_keeps_the_scores_and_their_sources(shared, tmp_path):
    folder = shared / "reference" / "official_scorer"
    printed = bv.run("bv_eval", "--predictions", folder / "predictions.json", "--squad", shared / "squad" / "dev.json",
                     "--output", tmp_path / "out").stdout
    metrics = bv.read_json(tmp_path / "out" / "metrics.json")
    assert metrics["official"] == json.loads(printed)
    assert metrics["predictions"]["path"] == str(folder / "predictions.json")
    assert (tmp_path / "out" / "config.toml").is_file()
