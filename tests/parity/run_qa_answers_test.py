"""bv_eval's answers from logits against Hugging Face run_qa's postprocessing, written here after its rules."""

import bv
import numpy as np
import pytest
from safetensors.numpy import save_file
from scoring import write_random_logits

N_BEST, MAX_TOKENS, NULL_THRESHOLD = 7, 9, 0.5


@pytest.fixture(scope="module")
def features(model, corpus, tmp_path_factory):
    """Features of the generated corpus, cut so that most contexts need several windows."""
    path = tmp_path_factory.mktemp("features") / "dev.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", path, "--max-tokens", 80,
           "--max-question-tokens", 24, "--stride", 24, "--unfound", "keep")
    return path


def run_qa_answer(context, windows):
    """(text, n-best, null odds) of one question as postprocess_qa_predictions finds them."""
    none = min((w["start"][0] + w["end"][0], i) for i, w in enumerate(windows))
    none = {"score": none[0], "start_logit": windows[none[1]]["start"][0], "end_logit": windows[none[1]]["end"][0], "text": ""}
    found = []
    for w in windows:
        for start in np.argsort(w["start"])[:-N_BEST - 1:-1]:
            for end in np.argsort(w["end"])[:-N_BEST - 1:-1]:
                if w["char_begin"][start] < 0 or w["char_begin"][end] < 0 or not w["max_context"][start]:
                    continue
                if end < start or end - start + 1 > MAX_TOKENS:
                    continue
                found.append({"score": w["start"][start] + w["end"][end], "start_logit": w["start"][start],
                              "end_logit": w["end"][end], "text": context[w["char_begin"][start]:w["char_end"][end]]})
    best = sorted([*found, none], key=lambda one: one["score"], reverse=True)[:N_BEST]
    if none not in best:
        best.append(none)
    if best == [none]:
        best.insert(0, {"score": np.float32(0), "start_logit": np.float32(0), "end_logit": np.float32(0), "text": "empty"})
    exponentials = np.exp(np.array([one["score"] for one in best]) - max(one["score"] for one in best))
    for one, probability in zip(best, exponentials / exponentials.sum(), strict=True):
        one["probability"] = probability
    span = next(one for one in best if one["text"])
    odds = none["score"] - span["start_logit"] - span["end_logit"]
    return "" if odds > NULL_THRESHOLD else span["text"], best, odds


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_n_best_and_null_odds(features, tmp_path, seed):
    questions = write_random_logits(features, tmp_path / "logits.safetensors", seed)
    assert max(len(windows) for _, _, windows in questions) > 1
    output = tmp_path / "out"
    bv.run("bv_eval", "--logits", tmp_path / "logits.safetensors", "--features", features, "--output", output, "--n-best", N_BEST,
           "--max-answer-tokens", MAX_TOKENS, "--null-threshold", NULL_THRESHOLD)
    texts, n_best, odds = (bv.read_json(output / name) for name in
                           ("predictions.json", "nbest_predictions.json", "null_odds.json"))
    assert list(texts) == list(n_best) == list(odds) == [id for id, _, _ in questions]
    for id, context, windows in questions:
        text, best, null_odds = run_qa_answer(context, windows)
        assert texts[id] == text
        assert odds[id] == null_odds
        assert [one["text"] for one in n_best[id]] == [one["text"] for one in best]
        for ours, theirs in zip(n_best[id], best, strict=True):
            assert set(ours) == {"text", "start_logit", "end_logit", "probability"}
            assert (ours["start_logit"], ours["end_logit"]) == (theirs["start_logit"], theirs["end_logit"])
            assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-6)


def test_scores_are_those_of_the_files_written(features, corpus, tmp_path):
    write_random_logits(features, tmp_path / "logits.safetensors", 3)
    output = tmp_path / "out"
    bv.run("bv_eval", "--logits", tmp_path / "logits.safetensors", "--features", features, "--output", output)
    bv.run("bv_eval", "--predictions", output / "predictions.json", "--squad", corpus / "dev.json", "--output", tmp_path / "again")
    scores = bv.read_json(output / "metrics.json")
    for name, value in bv.read_json(tmp_path / "again" / "metrics.json")["official"].items():
        assert scores["official"][name] == pytest.approx(value, abs=1e-9), name
    assert scores["reference"]["total"] == scores["official"]["total"]


def test_other_features_and_other_tasks_are_refused_by_name(features, tmp_path):
    logits = tmp_path / "logits.safetensors"
    zeros = np.zeros(3, np.float32)
    save_file({"start": zeros, "end": zeros}, logits, metadata={"task": "span", "features": "of another file"})
    refused = bv.run("bv_eval", "--logits", logits, "--features", features, "--output", tmp_path / "out", check=False)
    assert refused.rc == 2
    assert str(logits) in refused.stderr and str(features) in refused.stderr
    assert not (tmp_path / "out").exists()
