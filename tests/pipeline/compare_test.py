"""bv_eval --compare and --threshold-from: what they say, and what they refuse."""

import json
import shutil

import bv
import h5py
import numpy as np
import pytest
import torch
from head_training import VARIANT, make_study, train
from safetensors.numpy import load_file, save_file
from scoring import write_random_logits
from transformers import BertConfig, BertForQuestionAnswering


@pytest.fixture(scope="module")
def features(model, tmp_path_factory):
    """Two features files of other questions, made with the same settings: dev.h5 and held-out.h5; other.h5 has others."""
    folder = bv.make_corpus(tmp_path_factory.mktemp("corpus"), dev=240)
    for name, flags in {"dev": ["--squad", folder / "dev.json"], "held-out": ["--squad", folder / "train.json"],
                        "other": ["--squad", folder / "train.json", "--max-tokens", 100, "--stride", 20]}.items():
        bv.run("bv_prepare", *flags, "--model", model, "--output", folder / f"{name}.h5", "--unfound", "keep")
    return folder


def evaluate(features, output, seed, right, *flags, check=True):
    output.mkdir()
    write_random_logits(features, output / "given.safetensors", seed, right)
    return bv.run("bv_eval", "--logits", output / "given.safetensors", "--features", features, "--output", output / "out",
                  *flags, check=check)


@pytest.fixture(scope="module")
def systems(features, tmp_path_factory):
    """Folders of evaluations: poor and good differ by much, good and same by little."""
    folder = tmp_path_factory.mktemp("systems")
    for name, seed, right in (("poor", 1, 0.2), ("good", 2, 0.7), ("same", 3, 0.7)):
        evaluate(features / "dev.h5", folder / name, seed, right)
    return folder


def given(folder):
    """(context, EM, F1) of the answers as given."""
    columns = load_file(folder / "questions.safetensors")
    none = columns["null_odds"] > 0
    return columns["context"], *(np.where(none, 1.0 - columns["answerable"], columns[name]) for name in ("exact", "f1"))


def bootstrap(a, b, name, resamples=4000):
    """The interval of b - a in the straightforward way."""
    place = {"exact": 1, "f1": 2}[name]
    context = given(a)[0]
    difference = given(b)[place] - given(a)[place]
    groups = [difference[context == one] for one in np.unique(context)]
    sums, sizes = np.array([group.sum() for group in groups]), np.array([len(group) for group in groups])
    drawn = np.random.default_rng(0).integers(len(groups), size=(resamples, len(groups)))
    return np.quantile(100 * sums[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975))


def compare(a, b, *flags, **kwargs):
    return bv.run("bv_eval", "--compare", f"{a},{b}", *flags, **kwargs)


@pytest.mark.parametrize("other", ["poor", "same"])
def test_the_difference_and_its_interval_are_those_of_numpy(systems, other):
    a, b = systems / other / "out", systems / "good" / "out"
    found = json.loads(compare(a, b, "--json").stdout)
    assert found["questions"] == 240 and found["contexts"] > 20 and found["resamples"] == 10000
    for name in ("exact", "f1"):
        score = found[name]
        assert score["a"] == pytest.approx(bv.read_json(a / "metrics.json")["official"][name], abs=1e-5)
        assert score["b"] == pytest.approx(bv.read_json(b / "metrics.json")["official"][name], abs=1e-5)
        low, high = bootstrap(a, b, name)
        assert (score["low"], score["high"]) == pytest.approx((low, high), abs=0.06 * (high - low))
        assert (score["low"] <= 0 <= score["high"]) == (score["p"] > 0.05)
    noise = other == "same"
    assert ("not distinguishable" in found["verdict"]) == noise
    assert (found["exact"]["p"] > 0.05) == noise


def test_the_terminal_has_the_scores_the_interval_and_one_sentence(systems):
    a, b = systems / "poor" / "out", systems / "good" / "out" / "metrics.json"
    text = compare(a, b).stdout
    found = json.loads(compare(a, b, "--json").stdout)
    assert found["verdict"] in text and f"{found['exact']['difference']:+.2f}" in text
    assert f"{found['f1']['low']:+.2f} to {found['f1']['high']:+.2f}" in text
    assert "240 questions" in text
    assert text == compare(a, b, ranks=2).stdout


def test_heads_of_bv_train_and_classifiers_can_be_compared(tiny_model, corpus, tmp_path):
    study = make_study(tmp_path, tiny_model, corpus)
    train(study, tmp_path / "heads", "tenney_small,adapter_pooler_mean", "--epochs", 1, task="classification")
    a, b = (tmp_path / "heads" / name / VARIANT for name in ("tenney_small", "adapter_pooler_mean"))
    found = json.loads(compare(a, b, "--json").stdout)
    for folder, side in ((a, "a"), (b, "b")):
        scores = bv.read_json(folder / "metrics.json")["classification"]
        assert (found["exact"][side], found["f1"][side]) == pytest.approx((scores["exact"], scores["f1"]))


def refusal(*flags, **kwargs):
    result = bv.run("bv_eval", *flags, check=False, **kwargs)
    assert result.rc == 2, result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    return line


def test_what_cannot_be_compared_is_refused_by_name(features, systems, tmp_path):
    good = systems / "good" / "out"
    evaluate(features / "held-out.h5", tmp_path / "elsewhere", 1, 0.5)
    bare = tmp_path / "bare"
    shutil.copytree(good, bare)
    (bare / "questions.safetensors").unlink()
    mixed = tmp_path / "mixed"
    shutil.copytree(good, mixed)
    shutil.copy(systems / "poor" / "out" / "questions.safetensors", mixed)
    damaged = tmp_path / "damaged"
    shutil.copytree(good, damaged)
    content = bytearray((damaged / "questions.safetensors").read_bytes())
    content[-3] ^= 1
    (damaged / "questions.safetensors").write_bytes(content)
    with h5py.File(features / "dev.h5") as file:
        zeros = np.zeros((len(file["features/question_of"]), 2), np.float32)
        fingerprint = file["features"].attrs["fingerprint"].decode()
    save_file({"logits": zeros}, tmp_path / "classes", metadata={"task": "classification", "features": fingerprint})
    bv.run("bv_eval", "--logits", tmp_path / "classes", "--features", features / "dev.h5", "--output", tmp_path / "task")
    for other, words in ((tmp_path / "elsewhere" / "out", "only answers to the same questions"), (bare, "questions.safetensors"),
                         (mixed, "different evaluations"), (damaged, "damaged"), (tmp_path / "task", "classification"),
                         (tmp_path / "none", "none")):
        line = refusal("--compare", f"{good},{other}")
        assert words in line and str(other) in line, line
    assert "found 1" in refusal("--compare", good)
    assert "--output" in refusal("--compare", f"{good},{good}", "--output", tmp_path / "out", ranks=2)
    assert "evaluate again" in refusal("--compare", f"{good},{good}", "--null-threshold", 1.5)
    assert "--json" in refusal("--json", "--predictions", "x", "--squad", "y")


def test_a_threshold_of_held_out_questions_is_used_and_recorded(features, tmp_path):
    evaluate(features / "held-out.h5", tmp_path / "held", 1, 0.5)
    source = tmp_path / "held" / "out" / "metrics.json"
    chosen = bv.read_json(source)["official"]["best_f1_thresh"]
    assert chosen != 0
    for name, path in (("file", source), ("folder", source.parent)):
        evaluate(features / "dev.h5", tmp_path / name, 2, 0.5, "--threshold-from", path)
        metrics = bv.read_json(tmp_path / name / "out" / "metrics.json")
        assert metrics["answers"]["null_threshold"] == chosen
        assert metrics["answers"]["threshold_from"]["path"] == str(source)
    evaluate(features / "dev.h5", tmp_path / "typed", 2, 0.5, "--null-threshold", chosen)
    for name in ("predictions.json", "questions.safetensors"):
        assert (tmp_path / "typed" / "out" / name).read_bytes() == (tmp_path / "file" / "out" / name).read_bytes()
    assert metrics["official"] == bv.read_json(tmp_path / "typed" / "out" / "metrics.json")["official"]
    # The configuration that was written does the same again.
    bv.run("bv_eval", "--config", tmp_path / "file" / "out" / "config.toml", "--force")


def test_where_no_threshold_beats_none_everywhere_the_answer_is_none(features, tmp_path):
    evaluate(features / "held-out.h5", tmp_path / "held", 1, 0.0)
    source = tmp_path / "held" / "out" / "metrics.json"
    official = bv.read_json(source)["official"]
    official["best_f1"], official["best_f1_thresh"] = 100 * official["NoAns_total"] / official["total"], 0
    source.write_text(json.dumps({**bv.read_json(source), "official": official}))
    evaluate(features / "dev.h5", tmp_path / "hopeless", 2, 0.5, "--threshold-from", source)
    assert set(bv.read_json(tmp_path / "hopeless" / "out" / "predictions.json").values()) == {""}


def test_few_paragraphs_show_nothing(features, model, tmp_path):
    few = tmp_path / "few.h5"
    bv.run("bv_prepare", "--squad", features / "dev.json", "--model", model, "--output", few, "--unfound", "keep",
           "--limit", 5)
    for name, seed, right in (("a", 1, 0.0), ("b", 2, 1.0)):
        evaluate(few, tmp_path / name, seed, right)
    found = json.loads(compare(tmp_path / "a" / "out", tmp_path / "b" / "out", "--json").stdout)
    assert found["contexts"] < 20 and "too few" in found["verdict"]


def test_a_head_has_the_threshold_of_its_held_out_questions(tiny_model, corpus, tmp_path):
    study = make_study(tmp_path, tiny_model, corpus)
    train(study, tmp_path / "heads", "learned_pooling", "--epochs", 2, "--held-out", 0.3, "--seed", "1,2")
    head = tmp_path / "heads" / "learned_pooling" / VARIANT
    bv.run("bv_eval", "--head", head, "--store", study / "span-dev.h5", "--output", tmp_path / "out", "--device", "cpu",
           "--threshold-from", head)
    official = bv.read_json(head / "metrics.json")["held_out"]["official"]
    hopeless = official["best_f1"] <= 100 * official["NoAns_total"] / official["total"]
    assert bv.read_json(tmp_path / "out" / "metrics.json")["answers"]["null_threshold"] == \
        (-1e9 if hopeless else official["best_f1_thresh"])
    # That of another head is refused, also for logits beside which a metrics.json says whose they are.
    other = head.with_name("lr-0.001-seed-2")
    for flags in (["--head", other, "--store", study / "span-dev.h5", "--device", "cpu"],
                  ["--logits", other / "logits.safetensors", "--features", study / "dev.h5"]):
        line = refusal(*flags, "--output", tmp_path / "none", "--threshold-from", head)
        assert str(head) in line and all(bv.read_json(folder / "head.json")["tensors"] in line for folder in (head, other)), line
    bv.run("bv_eval", "--logits", head / "logits.safetensors", "--features", study / "dev.h5", "--output", tmp_path / "own",
           "--threshold-from", head)
    # A head without held-out questions has no threshold for the questions that it was scored on.
    train(study, tmp_path / "plain", "learned_pooling")
    plain = tmp_path / "plain" / "learned_pooling" / VARIANT
    command = ["--head", plain, "--store", study / "span-dev.h5", "--output", tmp_path / "none", "--threshold-from", plain]
    assert "bv_train --held-out" in refusal(*command)
    metrics = bv.read_json(plain / "metrics.json")
    del metrics["features"]["settings"]
    (plain / "metrics.json").write_text(json.dumps(metrics))
    assert "train the head again, with --held-out" in refusal(*command)


def test_a_threshold_that_does_not_fit_is_refused_by_name(features, systems, tmp_path):
    evaluate(features / "held-out.h5", tmp_path / "held", 1, 0.5)
    held = tmp_path / "held" / "out" / "metrics.json"
    evaluate(features / "other.h5", tmp_path / "other", 1, 0.5)
    metrics = bv.read_json(held)
    del metrics["official"]["best_f1_thresh"]
    (tmp_path / "bare.json").write_text(json.dumps(metrics))
    metrics["task"] = "classification"
    (tmp_path / "task.json").write_text(json.dumps(metrics))
    logits = ["--logits", systems / "good" / "given.safetensors", "--features", features / "dev.h5", "--output", tmp_path / "out"]
    for path, words in ((tmp_path / "bare.json", "best_f1_thresh"), (tmp_path / "task.json", "task span"),
                        (tmp_path / "other" / "out" / "metrics.json", "max_tokens"), (tmp_path / "none.json", "none.json"),
                        (systems / "good" / "out" / "metrics.json", "Give an evaluation of other questions")):
        line = refusal(*logits, "--threshold-from", path)
        assert words in line and str(path) in line, line
        assert not (tmp_path / "out" / "metrics.json").exists()
    # A study's table may have a threshold too: that of --threshold-from takes its place.
    bv.run("bv_eval", *logits, "--threshold-from", held, "--null-threshold", 99)
    assert bv.read_json(tmp_path / "out" / "metrics.json")["answers"]["null_threshold"] != 99


def test_a_threshold_of_another_checkpoint_is_refused(features, tiny_model, tmp_path):
    for seed in (1, 2):
        torch.manual_seed(seed)
        BertForQuestionAnswering(BertConfig.from_pretrained(tiny_model)).save_pretrained(tmp_path / str(seed))
        shutil.copy(tiny_model / "vocab.txt", tmp_path / str(seed))

    def flags(checkpoint, split, output):
        return ["--checkpoint", tmp_path / checkpoint, "--task", "span", "--features", features / f"{split}.h5", "--output",
                tmp_path / output, "--device", "cpu"]

    bv.run("bv_eval", *flags("1", "held-out", "held"))
    bv.run("bv_eval", *flags("1", "dev", "dev"), "--threshold-from", tmp_path / "held")
    line = refusal(*flags("2", "dev", "none"), "--threshold-from", tmp_path / "held")
    assert str(tmp_path / "held") in line and bv.read_json(tmp_path / "held" / "metrics.json")["checkpoint"]["fingerprint"] in line
    # The logits of an evaluation are those of its checkpoint.
    logits = ["--logits", tmp_path / "dev" / "logits.safetensors", "--features", features / "dev.h5"]
    bv.run("bv_eval", *logits, "--output", tmp_path / "again", "--threshold-from", tmp_path / "held")
    bv.run("bv_eval", *flags("2", "held-out", "other"))
    assert "checkpoint" in refusal(*logits, "--output", tmp_path / "none", "--threshold-from", tmp_path / "other")
