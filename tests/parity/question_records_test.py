"""questions.safetensors against the official script's rule, the features file and metrics.json, with numpy alone."""

import sys

import bv
import h5py
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scoring import strings, write_random_logits

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
from official_script import f1, normalized

THRESHOLD = 1.5


@pytest.fixture(scope="module")
def features(model, references, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "dev.h5"
    bv.run("bv_prepare", "--squad", references / "squad" / "dev.json", "--model", model, "--output", path, "--max-tokens", 120,
           "--max-question-tokens", 40, "--stride", 40, "--unfound", "keep")
    return path


@pytest.fixture(scope="module")
def evaluated(features, tmp_path_factory):
    """(folder, columns, metadata) of an evaluation of logits that are right for about half of the windows."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_random_logits(features, folder / "logits.safetensors", 5, right=0.5)
    bv.run("bv_eval", "--logits", folder / "logits.safetensors", "--features", features, "--output", folder / "out",
           "--null-threshold", THRESHOLD)
    with safe_open(folder / "out" / "questions.safetensors", "np") as file:
        return folder / "out", {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def texts_of(features):
    """(contexts, ids, index of the context) of a features file."""
    with h5py.File(features) as file:
        table = file["features"]
        return strings(table["contexts"]), strings(table["questions/id"]), table["questions/context"][:]


def ids_of(columns):
    ids = columns["id"]
    return [one.decode() for one in ids.view(f"S{ids.shape[1]}")[:, 0]]


def given(columns, name):
    """EM or F1 of the answers as given."""
    none = columns["null_odds"] > np.float32(THRESHOLD)
    return np.where(none, 1.0 - columns["answerable"], columns[name])


def test_each_verdict_is_that_of_the_official_rule(features, references, evaluated):
    _, columns, _ = evaluated
    contexts, ids, context_of = texts_of(features)
    golds = {question["id"]: [normalized(answer["text"]) for answer in question["answers"]]
             for article in bv.read_json(references / "squad" / "dev.json")["data"]
             for paragraph in article["paragraphs"] for question in paragraph["qas"]}
    context_of_id = dict(zip(ids, context_of, strict=True))
    for q, id in enumerate(ids_of(columns)):
        assert columns["context"][q] == context_of_id[id]
        assert columns["answerable"][q] == bool(golds[id])
        wanted = [gold for gold in golds[id] if gold] or [[]]
        for prefix in ("", "second_"):
            begin, end = columns[f"{prefix}begin"][q], columns[f"{prefix}end"][q]
            words = normalized(contexts[context_of_id[id]][begin:end])
            assert columns[f"{prefix}exact"][q] == (words in wanted)
            assert columns[f"{prefix}f1"][q] == pytest.approx(max(f1(gold, words) for gold in wanted), abs=1e-6)
    assert 0.1 < columns["exact"].mean() < 0.9


def test_texts_scores_and_probabilities_are_those_of_the_files_beside_it(features, evaluated):
    folder, columns, _ = evaluated
    answers, n_best, odds = (bv.read_json(folder / name) for name in ("predictions.json", "nbest_predictions.json", "null_odds.json"))
    contexts, _, _ = texts_of(features)
    ids = ids_of(columns)
    assert ids == list(answers)
    for q, id in enumerate(ids):
        text = contexts[columns["context"][q]][columns["begin"][q]:columns["end"][q]]
        spans = [one for one in n_best[id] if one["text"]]
        (none,) = (one for one in n_best[id] if not one["text"])
        assert spans[0]["text"] == text
        assert answers[id] == ("" if columns["null_odds"][q] > np.float32(THRESHOLD) else text)
        assert columns["null_odds"][q] == odds[id]
        assert columns["span_score"][q] == np.float32(spans[0]["start_logit"]) + np.float32(spans[0]["end_logit"])
        assert columns["second_score"][q] == np.float32(spans[1]["start_logit"]) + np.float32(spans[1]["end_logit"])
        assert columns["none_score"][q] == np.float32(none["start_logit"]) + np.float32(none["end_logit"])
        assert columns["span_probability"][q] == pytest.approx(spans[0]["probability"], abs=1e-6)
        assert columns["none_probability"][q] == pytest.approx(none["probability"], abs=1e-6)


def test_sums_of_the_columns_are_the_scores(evaluated):
    folder, columns, metadata = evaluated
    metrics = bv.read_json(folder / "metrics.json")
    assert float(metadata["null_threshold"]) == THRESHOLD
    answerable = columns["answerable"] == 1
    for name in ("exact", "f1"):
        values = given(columns, name)
        assert 100 * values.mean() == pytest.approx(metrics["official"][name], abs=1e-5)
        assert 100 * values[answerable].mean() == pytest.approx(metrics["official"][f"HasAns_{name}"], abs=1e-5)
        assert 100 * values[~answerable].mean() == pytest.approx(metrics["official"][f"NoAns_{name}"], abs=1e-5)
        reference = columns[f"reference_{name}"]
        assert 100 * reference.mean(dtype=float) == pytest.approx(metrics["reference"][name], abs=1e-5)
        second = columns[f"reference_second_{name}"][columns["reference_exact"] == 0]
        assert 100 * second.mean(dtype=float) == pytest.approx(metrics["reference"][f"second_best_{name}"], abs=1e-5)
    assert metadata["features"] == metrics["features"]["fingerprint"]


def test_every_disagreement_of_the_scorers_has_a_reason(evaluated):
    folder, columns, metadata = evaluated
    reasons = metadata["disagreements"].split(",")
    differ = given(columns, "exact") != columns["reference_exact"]
    assert ((columns["disagreement"] > 0) == differ).all()
    counted = {reason: int((columns["disagreement"] == i).sum()) for i, reason in enumerate(reasons) if i}
    found = bv.read_json(folder / "metrics.json")["disagreements"]
    assert found == {"total": int(differ.sum())} | counted
    assert sum(count > 0 for count in counted.values()) > 1
    reversed_ones = columns["disagreement"] == reasons.index("reversed")
    assert (columns["reference_reversed"][reversed_ones] == 1).all()


def test_records_of_a_classifier(features, tmp_path):
    with h5py.File(features) as file:
        count, fingerprint = len(file["features/question_of"]), file["features"].attrs["fingerprint"].decode()
        question_of = file["features/question_of"][:]
    logits = np.random.default_rng(2).normal(size=(count, 2)).astype(np.float32)
    save_file({"logits": logits}, tmp_path / "logits.safetensors", metadata={"task": "classification", "features": fingerprint})
    bv.run("bv_eval", "--logits", tmp_path / "logits.safetensors", "--features", features, "--output", tmp_path / "out")
    columns, metrics = load_file(tmp_path / "out" / "questions.safetensors"), bv.read_json(tmp_path / "out" / "metrics.json")
    right = (columns["none_probability"] > 0.5) != columns["answerable"]
    assert 100 * right.mean() == pytest.approx(metrics["classification"]["exact"], abs=1e-9)
    assert 100 * (columns["reference_none"] != columns["answerable"]).mean() == pytest.approx(
        metrics["classification"]["reference_exact"], abs=1e-9)
    odds = logits[:, 1].astype(float) - logits[:, 0]
    for q in range(len(right)):
        window = columns["window"][q]
        assert odds[window] == odds[question_of == question_of[window]].min()
        assert columns["none_probability"][q] == pytest.approx(1 / (1 + np.exp(-odds[window])), abs=1e-6)
