"""Evaluation in training: bv_eval's numbers at every checkpoint, the same weights as without, and early stopping."""

import json
import shutil
import time

import bv
import pytest


@pytest.fixture(scope="module")
def prepared(corpus, model, tmp_path_factory):
    """Folder with train.h5 and dev.h5."""
    folder = tmp_path_factory.mktemp("features")
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", model, "--max-tokens", 96, "--stride", 24,
               "--output", folder / f"{split}.h5", "--unfound", "keep")
    return folder


def finetune(output, model, prepared, *flags, rate=1e-3, ranks=2, check=True):
    """Trains in float32, because auto may choose another precision for each new run; bv_eval takes that of the checkpoint."""
    return bv.run("bv_finetune", "--model", model, "--features", prepared / "train.h5", "--output", output, "--batch", 6,
                  "--learning-rate", rate, "--device", "cpu", "--precision", "float32", "--threads", 1, *flags, ranks=ranks, check=check)


def lines(output):
    return bv.read_json_lines(output / "metrics" / "finetune.jsonl")


def evaluations(output):
    return [line["evaluation"] for line in lines(output) if "evaluation" in line]


def stopped_run(output, model, prepared, flags, checkpoint):
    """Trains until this checkpoint is there, and stops then."""
    running = bv.start("bv_finetune", "--model", model, "--features", prepared / "train.h5", "--output", output, "--batch", 6,
                       "--learning-rate", 1e-3, "--device", "cpu", "--precision", "float32", "--threads", 1, *flags, ranks=2)
    while not (output / "checkpoints" / checkpoint / "checkpoint.json").exists():
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.001)
    bv.tell_to_stop(running)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 85, said


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("task", ["span", "classification"])
def test_the_numbers_are_those_of_bv_eval_and_the_weights_those_without(task, ranks, tiny_model, prepared, tmp_path):
    flags = ["--task", task, "--checkpoints", "0,0.5,2"]
    dev = prepared / "dev.h5"
    result = finetune(tmp_path / "run", tiny_model, prepared, *flags, "--eval-features", dev, ranks=ranks)
    found = {evaluation["epoch"]: evaluation for evaluation in evaluations(tmp_path / "run")}
    assert list(found) == ["0", "1/2", "2"]
    for name, epoch in (("epoch-0", "0"), ("epoch-0.5", "1/2"), ("epoch-2", "2")):
        checkpoint, output = tmp_path / "run" / "checkpoints" / name, tmp_path / name
        bv.run("bv_eval", "--checkpoint", checkpoint, "--features", dev, "--output", output, "--device", "cpu", "--threads", 1,
               ranks=ranks)
        separate = bv.read_json(output / "metrics.json")
        assert found[epoch]["step"] == bv.read_json(checkpoint / "checkpoint.json")["step"]
        assert found[epoch]["features"] == separate["features"]["fingerprint"]
        for scorer in {"span": ["official", "reference"], "classification": ["classification"]}[task]:
            assert found[epoch][scorer] == separate[scorer]
    main = {"span": "official", "classification": "classification"}[task]
    assert len({json.dumps(evaluation[main]) for evaluation in found.values()}) > 1
    best = max(found.values(), key=lambda evaluation: evaluation[main]["f1"])
    assert lines(tmp_path / "run")[-1]["best"] == {"epoch": best["epoch"], "metric": "f1", "value": best[main]["f1"]}
    assert f"F1 {best[main]['f1']:.2f}" in next(line for line in result.stderr.splitlines() if "best: epoch" in line)
    assert "F1 an hour)" in result.stderr and "rank-hours" in result.stderr

    finetune(tmp_path / "without", tiny_model, prepared, *flags, ranks=ranks)
    assert bv.weights(tmp_path / "without") == bv.weights(tmp_path / "run")


def test_checkpoints_of_one_step_are_all_scored_and_patience_counts_them_once(tiny_model, prepared, tmp_path):
    """Nine hundredths of an epoch, of which several fall on one step: their weights are equal, and so are their scores."""
    fractions = ",".join(f"{n}/100" for n in range(1, 10))
    finetune(tmp_path / "run", tiny_model, prepared, "--task", "span", "--checkpoints", fractions, "--eval-features", prepared / "dev.h5",
             "--patience", 4)
    made = {(bv.read_json(path)["epoch"], bv.read_json(path)["step"]) for path in (tmp_path / "run").glob("checkpoints/*/checkpoint.json")}
    found = evaluations(tmp_path / "run")
    assert len(made) == 9 and {(one["epoch"], one["step"]) for one in found} == made and len(found) == 9
    steps = {}
    for one in found:
        scores = steps.setdefault(one["step"], one)
        assert {**one, "epoch": ""} == {**scores, "epoch": ""}
    assert len(steps) < 5 and not lines(tmp_path / "run")[-1]["stopped_early"]


def test_a_run_killed_in_its_last_evaluation_is_not_finished(tiny_model, prepared, tmp_path):
    """Such a run has all checkpoints, but neither the last scores nor the summary."""
    flags = ["--checkpoints", "0.5,1", "--eval-features", prepared / "dev.h5"]
    finetune(tmp_path, tiny_model, prepared, *flags)
    log = tmp_path / "metrics/finetune.jsonl"
    before, weights = lines(tmp_path), bv.weights(tmp_path)
    assert before[-1]["done"] and "evaluation" in before[-2]
    for kept in (-2, -1):  # killed before the last scores, or before the summary
        log.write_text("".join(json.dumps(line) + "\n" for line in before[:kept]))
        again = finetune(tmp_path, tiny_model, prepared, *flags)
        assert "trained already" not in again.stderr and again.stderr.count("is there already and stays") == 2
        assert "the end of the log is missing, because the run was killed: it goes on from the beginning" in again.stderr
        scores = [{name: value for name, value in one.items() if name != "rank_hours"} for one in evaluations(tmp_path)]
        assert scores == [{name: value for name, value in line["evaluation"].items() if name != "rank_hours"}
                          for line in before if "evaluation" in line]
        assert lines(tmp_path)[-1]["done"] and bv.weights(tmp_path) == weights
    assert "trained already" in finetune(tmp_path, tiny_model, prepared, *flags).stderr
    log.unlink()  # as a user does
    assert f"{log} is missing; only --force makes it again" in finetune(tmp_path, tiny_model, prepared, *flags).stderr
    assert not log.exists() and bv.weights(tmp_path) == weights


def test_a_part_of_a_longer_run_is_finished_and_its_state_stays(tiny_model, prepared, tmp_path):
    stopped_run(tmp_path, tiny_model, prepared, ["--checkpoints", "0.5,60"], "epoch-0.5")
    states = sorted(path.name for path in (tmp_path / "resume").iterdir())
    assert "trained already" in finetune(tmp_path, tiny_model, prepared, "--checkpoints", "0.5").stderr
    assert sorted(path.name for path in (tmp_path / "resume").iterdir()) == states and len(states) == 2


def test_evaluations_outlive_a_run_without_them(tiny_model, prepared, tmp_path):
    scored = ["--eval-features", prepared / "dev.h5"]
    checkpoints = ["--checkpoints", "0.5,1:300:1"]
    stopped_run(tmp_path, tiny_model, prepared, [*checkpoints, *scored], "epoch-1")
    first = [one["epoch"] for one in evaluations(tmp_path)]
    stopped_run(tmp_path, tiny_model, prepared, checkpoints, f"epoch-{int(first[-1]) + 2}")
    stopped_run(tmp_path, tiny_model, prepared, [*checkpoints, *scored], f"epoch-{int(first[-1]) + 6}")
    state = next((tmp_path / "resume").glob("step-*/*.json"))
    kept = [one["epoch"] for one in bv.read_json(state)["totals"]["evaluations"]]
    assert kept[:len(first)] == first and len(kept) > len(first)


def test_a_finished_run_without_scores_says_so(tiny_model, prepared, tmp_path):
    finetune(tmp_path, tiny_model, prepared, "--checkpoints", "0.5")
    told = finetune(tmp_path, tiny_model, prepared, "--checkpoints", "0.5", "--eval-features", prepared / "dev.h5").stderr
    assert "trained already" in told and "without --eval-features, so its checkpoints have no scores here" in told


def test_an_early_checkpoint_of_a_run_that_stopped_early_may_go(tiny_model, prepared, tmp_path):
    flags = ["--checkpoints", "0:9:0.5", "--eval-features", prepared / "dev.h5", "--eval-metric", "em", "--patience", 1]
    assert "stopped early" in finetune(tmp_path, tiny_model, prepared, *flags, rate=1e-9).stderr
    shutil.rmtree(tmp_path / "checkpoints/epoch-0")
    assert "trained already, stopped early" in finetune(tmp_path, tiny_model, prepared, *flags, rate=1e-9).stderr


def test_an_early_stop_that_was_killed_before_its_summary_gets_one(tiny_model, prepared, tmp_path):
    flags = ["--checkpoints", "0:9:0.5", "--eval-features", prepared / "dev.h5", "--eval-metric", "em", "--patience", 1]
    finetune(tmp_path, tiny_model, prepared, *flags, rate=1e-9)
    log = tmp_path / "metrics/finetune.jsonl"
    before = lines(tmp_path)
    log.write_text("".join(json.dumps(line) + "\n" for line in before[:-1]))
    finetune(tmp_path, tiny_model, prepared, *flags, rate=1e-9)
    assert lines(tmp_path)[:-1] == before[:-1] and lines(tmp_path)[-1]["done"] and lines(tmp_path)[-1]["stopped_early"]


def test_evaluation_is_a_phase_of_its_own_and_no_time_of_training(tiny_model, model, prepared, tmp_path):
    corpus = bv.make_corpus(tmp_path / "corpus", train=600)
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--output", tmp_path / "many.h5")
    finetune(tmp_path / "run", tiny_model, prepared, "--checkpoints", "0.25,0.5", "--eval-features", tmp_path / "many.h5")
    summary = lines(tmp_path / "run")[-1]
    assert summary["seconds"] < summary["phases"]["evaluation"]
    assert summary["rank_hours"] == pytest.approx(2 * summary["seconds"] / 3600)
    first, second = evaluations(tmp_path / "run")
    assert 0 < first["rank_hours"] < second["rank_hours"] <= summary["rank_hours"]


def test_training_stops_early_once_and_goes_on_with_more_patience(tiny_model, prepared, tmp_path):
    """At a vanishing learning rate no checkpoint is better than the first."""
    def train(output, *flags):
        return finetune(output, tiny_model, prepared, "--checkpoints", "0:2:0.5", *flags, rate=1e-12)

    stopping = ["--eval-features", prepared / "dev.h5", "--patience"]
    train(tmp_path / "whole")
    run = tmp_path / "run"
    result = train(run, *stopping, 2)
    assert [evaluation["epoch"] for evaluation in evaluations(run)] == ["0", "1/2", "1"]
    assert "stopped early" in result.stderr and "best: epoch 0, F1" in result.stderr
    assert lines(run)[-1]["done"] is lines(run)[-1]["stopped_early"] is True
    assert bv.weights(run).keys() == {"epoch-0", "epoch-0.5", "epoch-1"}

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    again = train(run, *stopping, 2)
    assert "trained already, stopped early" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before

    train(run, *stopping, 5)
    assert [evaluation["epoch"] for evaluation in evaluations(run)] == ["0", "1/2", "1", "3/2", "2"]
    assert [line.get("done") for line in lines(run) if "done" in line] == [True]
    assert lines(run)[-1]["stopped_early"] is False
    assert bv.weights(run) == bv.weights(tmp_path / "whole")

    train(tmp_path / "forced", *stopping, 1)
    train(tmp_path / "forced", *stopping, 1, "--force")
    assert [evaluation["epoch"] for evaluation in evaluations(tmp_path / "forced")] == ["0", "1/2"]


def test_what_cannot_be_evaluated_on_is_refused_before_work_starts(tiny_model, model, prepared, corpus, tmp_path):
    unlabelled = bv.read_json(corpus / "dev.json")
    for article in unlabelled["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                question.pop("answers"), question.pop("is_impossible", None)
    (tmp_path / "unlabelled.json").write_text(json.dumps(unlabelled), encoding="utf-8")
    bv.run("bv_prepare", "--squad", tmp_path / "unlabelled.json", "--model", model, "--output", tmp_path / "unlabelled.h5")
    other = bv.write_model(tmp_path / "other")
    (other / "vocab.txt").write_text((other / "vocab.txt").read_text(encoding="utf-8") + "another\n", encoding="utf-8")
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", other, "--output", tmp_path / "other.h5")
    dev = prepared / "dev.h5"
    for flags, expected in (
        (["--patience", 2], ["--patience", "--eval-features"]),
        (["--eval-features", tmp_path / "unlabelled.h5"], ["unlabelled.h5", "no gold answers"]),
        (["--eval-features", tmp_path / "other.h5"], ["other.h5", "vocabulary"]),
        (["--eval-features", dev, "--eval-metric", "accuracy"], ["--eval-metric is accuracy", "em, f1, best_f1"]),
        (["--eval-features", dev, "--eval-metric", "loss"], ["--eval-metric", "loss"]),
    ):
        refused = finetune(tmp_path / "run", tiny_model, prepared, "--checkpoints", "1", *flags, check=False)
        errors = [line for line in refused.stderr.splitlines() if line.startswith("error:")]
        assert refused.rc == 2 and len(errors) == 1 and all(part in errors[0] for part in expected), refused.stderr
    assert not (tmp_path / "run").exists()


def test_more_patience_on_other_features_is_refused(tiny_model, prepared, tmp_path):
    flags = ["--checkpoints", "0:2:0.5", "--patience", 1, "--eval-features"]
    finetune(tmp_path, tiny_model, prepared, *flags, prepared / "dev.h5", rate=1e-12)
    refused = finetune(tmp_path, tiny_model, prepared, *flags, prepared / "train.h5", rate=1e-12, check=False)
    assert refused.rc == 2 and "train.h5 holds the features " in refused.stderr
