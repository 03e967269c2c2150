"""bv_eval --predictions prints what the official script evaluate-v2.0.py prints for the same files."""

import json
import sys
import unicodedata
from random import Random

import bv
import pytest

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
from official_script import f1, normalized

CASES = {
    "expected.json": ["--na-probs"],
    "expected_threshold_0.5.json": ["--na-probs", "--na-prob-threshold", "0.5"],
    "expected_no_probs.json": [],
}


def score(references, flags):
    folder = references / "reference" / "official_scorer"
    command = ["--predictions", folder / "predictions.json", "--squad", references / "squad" / "dev.json"]
    for flag in flags:
        command += [flag, folder / "na_probs.json"] if flag == "--na-probs" else [flag]
    return bv.run("bv_eval", *command).stdout


@pytest.mark.parametrize("name", CASES)
def test_every_field_agrees(references, name):
    expected = bv.read_json(references / "reference" / "official_scorer" / name)
    found = json.loads(score(references, CASES[name]))
    assert [key for key in found if key in expected] == list(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=1e-9), key


def test_without_probabilities_there_is_nothing_about_thresholds(references):
    expected = bv.read_json(references / "reference" / "official_scorer" / "expected_no_probs.json")
    assert score(references, []) == json.dumps(expected, indent=2) + "\n"


def test_output_keeps_the_scores_and_their_sources(references, tmp_path):
    folder = references / "reference" / "official_scorer"
    printed = bv.run("bv_eval", "--predictions", folder / "predictions.json", "--squad", references / "squad" / "dev.json",
                     "--output", tmp_path / "out").stdout
    metrics = bv.read_json(tmp_path / "out" / "metrics.json")
    assert metrics["official"] == json.loads(printed)
    assert metrics["predictions"]["path"] == str(folder / "predictions.json")
    assert (tmp_path / "out" / "config.toml").is_file()


def test_random_unicode_is_normalised_as_by_python(tmp_path):
    random = Random(7)
    assigned = [c for c in map(chr, range(1, 0x20000)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
    pieces = ["a", "an", "the", "The", "A", "fox", " ", " ", " ", "_",
              "'", "-", "\u0301", "\u03a3", "\u0130", "\u00bd", "\u3000", "\x1f"]

    def text():
        sources = [pieces if random.random() < 0.8 else assigned for _ in range(random.randint(1, 9))]
        return "".join(random.choice(source) for source in sources)

    golds = [text() for _ in range(4000)]
    predictions = [random.choice((gold, gold.upper(), gold + text(), gold.replace(" ", "\u00a0"))) for gold in golds]
    questions = [{"id": str(i), "question": "q", "is_impossible": False, "answers": [{"text": gold, "answer_start": 0}]}
                 for i, gold in enumerate(golds)]
    paragraphs = [{"context": gold, "qas": [question]} for gold, question in zip(golds, questions, strict=True)]
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8")
    (tmp_path / "predictions.json").write_text(json.dumps({str(i): p for i, p in enumerate(predictions)}), encoding="utf-8")
    found = json.loads(bv.run("bv_eval", "--predictions", tmp_path / "predictions.json", "--squad", tmp_path / "squad.json").stdout)
    words = [(normalized(gold), normalized(predicted)) for gold, predicted in zip(golds, predictions, strict=True)]
    assert found["exact"] == pytest.approx(100 * sum(g == p for g, p in words) / len(words), abs=1e-9)
    assert found["f1"] == pytest.approx(100 * sum(f1(g, p) for g, p in words) / len(words), abs=1e-9)
