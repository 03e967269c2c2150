"""bv_eval on checkpoints: the logits of transformers on any number of ranks, and refusals of what does not fit."""

import json
import shutil

import bv
import h5py
import numpy as np
import pytest
import torch
from made_by import assert_made_by
from safetensors.numpy import load_file
from transformers import BertConfig, BertForQuestionAnswering, BertForSequenceClassification

CLASSES = {"span": BertForQuestionAnswering, "classification": BertForSequenceClassification}


@pytest.fixture(scope="module")
def features(model, corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "dev.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", path, "--unfound", "keep")
    return path


@pytest.fixture(scope="module", params=["span", "classification"])
def fine_tuned(request, tiny_model, tmp_path_factory):
    """(task, folder, transformers' model) of a random BERT with a head."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp(request.param)
    model = CLASSES[request.param](BertConfig.from_pretrained(tiny_model, initializer_range=0.2)).eval()
    model.save_pretrained(folder)
    shutil.copy(tiny_model / "vocab.txt", folder)
    return request.param, folder, model


@pytest.fixture(scope="module")
def several_passes(model, tmp_path_factory):
    """Features of more than three passes of bv_eval."""
    folder = bv.make_corpus(tmp_path_factory.mktemp("several"), dev=240)
    bv.run("bv_prepare", "--squad", folder / "dev.json", "--model", model, "--output", folder / "dev.h5", "--unfound", "keep")
    return folder / "dev.h5"


def expected_logits(model, features):
    with h5py.File(features) as file:
        starts, ids, segments = (file["features"][name][:] for name in ("starts", "ids", "segments"))
    rows = []
    for a, b in zip(starts, starts[1:], strict=False):
        with torch.no_grad():
            output = model(input_ids=torch.tensor(ids[a:b].astype(np.int64))[None],
                           token_type_ids=torch.tensor(segments[a:b].astype(np.int64))[None])
        rows.append(output.logits if hasattr(output, "logits") else torch.stack([output.start_logits[0], output.end_logits[0]], -1))
    return torch.cat(rows).numpy()


def evaluate(fine_tuned, features, output, **kwargs):
    task, folder, _ = fine_tuned
    return bv.run("bv_eval", "--checkpoint", folder, "--task", task, "--features", features, "--output", output, "--threads", 1,
                  "--device", "cpu", "--precision", "float32", **kwargs)


def found_logits(output):
    tensors = load_file(output / "logits.safetensors")
    return tensors["logits"] if "logits" in tensors else np.stack([tensors["start"], tensors["end"]], -1)


def test_logits_are_those_of_transformers_on_any_number_of_ranks(fine_tuned, several_passes, tmp_path):
    expected = expected_logits(fine_tuned[2], several_passes)
    for ranks in (1, 3):
        evaluate(fine_tuned, several_passes, tmp_path / str(ranks), ranks=ranks)
        assert np.abs(found_logits(tmp_path / str(ranks)) - expected).max() < 1e-4
    for name in ("logits.safetensors", "questions.safetensors", "metrics.json"):
        assert bv.content(tmp_path / "1" / name) == bv.content(tmp_path / "3" / name)


def test_more_ranks_than_features(fine_tuned, model, corpus, tmp_path):
    few = tmp_path / "few.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", few, "--limit", 1, "--unfound", "keep")
    evaluate(fine_tuned, few, tmp_path / "out", ranks=4)
    assert np.abs(found_logits(tmp_path / "out") - expected_logits(fine_tuned[2], few)).max() < 1e-4


def test_metrics_say_what_was_scored_and_what_made_them(fine_tuned, features, tmp_path):
    evaluate(fine_tuned, features, tmp_path / "out", env={"SLURM_JOB_ID": "", "SLURM_ARRAY_JOB_ID": "", "SLURM_ARRAY_TASK_ID": ""})
    metrics = bv.read_json(tmp_path / "out" / "metrics.json")
    assert metrics["task"] == fine_tuned[0]
    assert metrics["checkpoint"]["path"] == str(fine_tuned[1])
    assert metrics["precision"] == "float32"
    assert metrics["parameters"] == sum(p.numel() for p in fine_tuned[2].parameters())
    assert_made_by(metrics, "bv_eval")
    wanted = {"span": {"official", "reference"}, "classification": {"classification"}}[fine_tuned[0]]
    assert wanted <= metrics.keys()
    # The logits file scores as the checkpoint it came from.
    bv.run("bv_eval", "--logits", tmp_path / "out" / "logits.safetensors", "--features", features, "--output", tmp_path / "again")
    again = bv.read_json(tmp_path / "again" / "metrics.json")
    for name in wanted:
        assert again[name] == metrics[name]


def test_an_ensemble_takes_the_larger_probability(fine_tuned, features, tmp_path):
    evaluate(fine_tuned, features, tmp_path / "one")
    logits = tmp_path / "one" / "logits.safetensors"
    bv.run("bv_eval", "--logits", f"{logits},{logits}", "--combine", "max", "--features", features, "--output", tmp_path / "two")
    one, two = (bv.read_json(tmp_path / name / "metrics.json") for name in ("one", "two"))
    assert two["combine"] == "max" and len(two["logits"]) == 2
    scorer = "reference" if fine_tuned[0] == "span" else "classification"
    assert two[scorer] == one[scorer]


@pytest.mark.parametrize("head", ["learned_pooling", "tenney_small"])
def test_a_head_over_a_store_and_on_the_way_is_that_of_training(head, tiny_model, features, tmp_path):
    task = {"learned_pooling": "span", "tenney_small": "classification"}[head]
    store = tmp_path / "store.h5"
    bv.run("bv_extract", "--checkpoint", tiny_model, "--task", task, "--features", features, "--store", store, "--dtype", "float32",
           "--precision", "float32")
    bv.run("bv_train", "--store", store, "--dev-store", store, "--heads", head, "--epochs", 1, "--output", tmp_path / "heads")
    (trained,) = (tmp_path / "heads").glob("*/*/*/head.json")
    expected = found_logits(trained.parent)
    common = ["--head", trained.parent, "--threads", 1, "--device", "cpu"]
    bv.run("bv_eval", *common, "--store", store, "--output", tmp_path / "stored", ranks=2)
    bv.run("bv_eval", *common, "--checkpoint", tiny_model, "--features", features, "--output", tmp_path / "computed", "--precision", "float32")
    for output in (tmp_path / "stored", tmp_path / "computed"):
        assert np.abs(found_logits(output) - expected).max() < 1e-5
        metrics = bv.read_json(output / "metrics.json")
        assert metrics["head"] == head
        assert metrics["features"]["fingerprint"] == bv.read_json(tmp_path / "stored" / "metrics.json")["features"]["fingerprint"]


@pytest.mark.parametrize("ranks", [1, 2])
def test_refusals_are_one_line_and_leave_nothing(tiny_model, features, tmp_path, ranks):
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    words = (other / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (other / "vocab.txt").write_text("\n".join([*words[:-1], "another"]) + "\n", encoding="utf-8")
    existing = tmp_path / "existing"
    existing.mkdir()
    (existing / "metrics.json").write_text("{}")
    common = ["--features", features, "--output", tmp_path / "out"]
    cases = [
        (["--checkpoint", other, "--task", "span", *common], "vocabulary"),
        (["--checkpoint", tiny_model, *common], "--task"),
        (["--checkpoint", tiny_model, "--task", "span", "--features", features, "--output", existing], "existing"),
        (["--predictions", tmp_path / "none.json", *common], "--squad"),
        (common, "--checkpoint"),
    ]
    for flags, word in cases:
        refused = bv.run("bv_eval", *flags, ranks=ranks, check=False)
        lines = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
        assert refused.rc == 2 and len(lines) == 1 and word in lines[0], (flags, refused.stderr)
        assert not (tmp_path / "out").exists()


def test_show_prints_the_first_questions_with_gold_answers_and_predictions(fine_tuned, features, corpus, tmp_path):
    task, folder, _ = fine_tuned
    common = ["--checkpoint", folder, "--task", task, "--features", features, "--threads", 1, "--device", "cpu",
              "--precision", "float32"]
    quiet = bv.run("bv_eval", *common, "--output", tmp_path / "quiet")
    shown = bv.run("bv_eval", *common, "--output", tmp_path / "shown", "--show", 3, ranks=2)
    assert quiet.stdout == ""
    asked = [question for article in bv.read_json(corpus / "dev.json")["data"] for paragraph in article["paragraphs"]
             for question in paragraph["qas"]]
    blocks = shown.stdout.strip().split("\n\n")
    assert len(blocks) == 3
    for place, (block, question) in enumerate(zip(blocks, asked, strict=False)):
        lines = block.splitlines()
        assert lines[0] == f"{place + 1} of 3, {question['id']}"
        assert lines[1].split(None, 1) == ["question", question["question"]]
        golds = list(dict.fromkeys(answer["text"] for answer in question["answers"])) or ["(no answer)"]
        assert lines[2].split(None, 1) == ["gold", " | ".join(golds)]
        verdicts = ["official", "reference"] if task == "span" else ["reference"]
        assert [line.split()[0] for line in lines[3:]] == ["predicted", *verdicts]
        if task == "span":
            answer = bv.read_json(tmp_path / "shown" / "predictions.json")[question["id"]] or "(no answer)"
            assert lines[3].startswith(f"  predicted  {answer} (null odds ")
            assert ("no exact match" not in lines[4]) == (answer in golds)
        else:
            none = bv.read_json(tmp_path / "shown" / "na_probs.json")[question["id"]]
            assert f"P(no answer) = {none:.3f}" in lines[3]
            assert lines[3].endswith("right" if (none > 0.5) == (not question["answers"]) else "wrong")
    for name in ("predictions.json" if task == "span" else "na_probs.json", "metrics.json"):
        assert bv.content(tmp_path / "quiet" / name) == bv.content(tmp_path / "shown" / name)


def test_show_prints_the_questions_of_a_predictions_file_before_its_scores(corpus, tmp_path):
    squad = bv.read_json(corpus / "dev.json")
    asked = [question for article in squad["data"] for paragraph in article["paragraphs"] for question in paragraph["qas"]]
    (tmp_path / "predictions.json").write_text(json.dumps({asked[0]["id"]: "a\x1b[31m\ttrain"}))
    given = ["--predictions", tmp_path / "predictions.json", "--squad", corpus / "dev.json"]
    shown = bv.run("bv_eval", *given, "--show", 2).stdout
    scores = bv.run("bv_eval", *given).stdout
    assert shown.endswith(scores) and json.loads(scores)["total"] == 1
    first, second = shown.removesuffix(scores).strip().split("\n\n")
    assert "  predicted  a [31m train\n  official   no exact match, F1 " in first
    assert second.endswith("  predicted  (not in the file)")


def test_show_of_a_predictions_file_takes_the_threshold_as_the_scores_do(tmp_path):
    question = {"id": "q", "question": "which?", "is_impossible": False, "answers": [{"text": "a train", "answer_start": 0}]}
    (tmp_path / "dev.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "a train", "qas": [question]}]}]}))
    (tmp_path / "predictions.json").write_text(json.dumps({"q": "a train"}))
    (tmp_path / "na_probs.json").write_text(json.dumps({"q": 0.75}))
    given = ["--predictions", tmp_path / "predictions.json", "--na-probs", tmp_path / "na_probs.json", "--squad", tmp_path / "dev.json"]
    for threshold, predicted, verdict, exact in (
            (0.8, 'a train (score of "none" 0.750)', "exact match, F1 100.00", 100),
            (0.7, '(no answer) (score of "none" 0.750; text in the file: a train)', "no exact match, F1 0.00", 0)):
        shown, scores = bv.run("bv_eval", *given, "--na-prob-threshold", threshold, "--show", 1).stdout.split("\n\n")
        assert shown.splitlines()[3:] == [f"  predicted  {predicted}", f"  official   {verdict}"]
        assert json.loads(scores)["exact"] == exact


@pytest.mark.parametrize("flags, words", [
    (["--null-threshold", 0.5], "--predictions has answers: it takes --na-probs with --na-prob-threshold"),
    (["--n-best", 3], "--predictions has answers"),
    (["--na-prob-threshold", 0.5], "na-probs"),
])
def test_flags_that_a_predictions_file_does_not_use_are_refused(tmp_path, flags, words):
    for name in ("dev.json", "predictions.json"):
        (tmp_path / name).write_text("{}")
    refused = bv.run("bv_eval", "--predictions", tmp_path / "predictions.json", "--squad", tmp_path / "dev.json", *flags, check=False)
    (error,) = bv.error_lines(refused.stderr)
    assert refused.rc == 2 and words in error


RESULTS = {"span": {"predictions.json", "nbest_predictions.json", "null_odds.json"}, "classification": {"na_probs.json"}}


def test_with_force_no_answers_of_an_earlier_evaluation_stay(fine_tuned, features, corpus, tmp_path):
    """The logits that are scored again stay, and so does the predictions file."""
    output, scored = tmp_path / "out", {"metrics.json", "config.toml", "questions.safetensors"}
    evaluate(fine_tuned, features, output)
    other = {"logits.safetensors"} | set().union(*RESULTS.values())
    for name in other - {"logits.safetensors"} - RESULTS[fine_tuned[0]]:
        (output / name).write_text("{}")
    own = output / "logits.safetensors"
    bv.run("bv_eval", "--logits", own, "--features", features, "--output", output, "--force")
    assert {path.name for path in output.iterdir()} == scored | RESULTS[fine_tuned[0]] | {"logits.safetensors"}
    shutil.copy(own, tmp_path / "logits.safetensors")
    bv.run("bv_eval", "--logits", tmp_path / "logits.safetensors", "--features", features, "--output", output, "--force")
    assert {path.name for path in output.iterdir()} == scored | RESULTS[fine_tuned[0]]
    first = bv.read_json(corpus / "dev.json")["data"][0]["paragraphs"][0]["qas"][0]["id"]
    (output / "predictions.json").write_text(json.dumps({first: ""}))
    bv.run("bv_eval", "--predictions", output / "predictions.json", "--squad", corpus / "dev.json", "--output", output, "--force")
    assert {path.name for path in output.iterdir()} == {"metrics.json", "config.toml", "predictions.json"}


def test_show_agrees_with_the_scores_where_an_answer_is_nothing_after_normalisation(tiny_model, model, tmp_path):
    """To the official scorer "none" by the threshold is wrong there, although both texts are empty after normalisation."""
    question = {"id": "q", "question": "which ?", "is_impossible": False, "answers": [{"text": "the", "answer_start": 2}]}
    article = {"title": "t", "paragraphs": [{"context": "a the b", "qas": [question]}]}
    (tmp_path / "dev.json").write_text(json.dumps({"version": "v2.0", "data": [article]}))
    bv.run("bv_prepare", "--squad", tmp_path / "dev.json", "--model", model, "--output", tmp_path / "dev.h5", "--unfound", "keep")
    BertForQuestionAnswering(BertConfig.from_pretrained(tiny_model)).save_pretrained(tmp_path / "bert")
    shutil.copy(tiny_model / "vocab.txt", tmp_path / "bert")
    found = bv.run("bv_eval", "--checkpoint", tmp_path / "bert", "--task", "span", "--features", tmp_path / "dev.h5", "--output", tmp_path / "out",
                   "--null-threshold", -1000, "--show", 1, "--device", "cpu")
    assert "official   no exact match, F1 0.00" in found.stdout, found.stdout
    assert bv.read_json(tmp_path / "out" / "metrics.json")["official"]["exact"] == 0


def test_the_log_calls_scores_what_they_are(fine_tuned, features, tmp_path):
    log = evaluate(fine_tuned, features, tmp_path / "out").stderr
    if fine_tuned[0] == "span":
        assert "official EM " in log and "reference EM " in log and "Reference scores follow the study of 2020" in log
    else:
        assert "classification accuracy " in log and "EM" not in log
    assert "Reference scores follow the study of 2020" in bv.run("bv_eval", "--help").stdout.replace("\n", " ")
