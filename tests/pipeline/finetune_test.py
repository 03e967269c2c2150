"""bv_finetune from files to files: any number of ranks trains the same model, checkpoints open in transformers."""

import json
import os
import shutil
import time
import tomllib

import bv
import h5py
import pytest
import torch
from made_by import assert_made_by
from safetensors.torch import load_file, save_file
from transformers import BertForQuestionAnswering, BertForSequenceClassification


@pytest.fixture(scope="module")
def features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24,
           "--output", path)
    return path


def finetune(output, model, features, *flags, learning_rate=1e-3, ranks=2, check=True):
    return bv.run("bv_finetune", "--model", model, "--features", features, "--output", output, "--batch", 6, "--learning-rate",
                  learning_rate, "--device", "cpu", "--precision", "float32", "--threads", 1, *flags, ranks=ranks, check=check)


def losses(output):
    return [line["loss"] for line in bv.read_json_lines(output / "metrics" / "finetune.jsonl") if "step" in line]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_self_test_passes_and_writes_nothing(tiny_model, features, tmp_path, precision):
    result = bv.run("bv_finetune", "--model", tiny_model, "--features", features, "--output", tmp_path / "run", "--batch", 6,
                    "--device", "cpu", "--threads", 1, "--self-test", "--precision", precision, ranks=3)
    assert "self-test passed: 3 ranks" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_self_test_without_steps_is_refused(tiny_model, features, tmp_path):
    result = finetune(tmp_path / "run", tiny_model, features, "--checkpoints", 0, "--self-test", check=False)
    (error,) = bv.error_lines(result.stderr)
    assert result.rc == 2 and "--self-test" in error and "--checkpoints 0" in error


def test_passes_of_few_tokens_change_memory_and_not_the_training(tiny_model, features, tmp_path):
    for name, flags in (("whole", []), ("passes", ["--pass-tokens", 150])):
        finetune(tmp_path / name, tiny_model, features, "--checkpoints", "0.5", *flags)
    assert losses(tmp_path / "passes") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_gradient_checkpointing_changes_memory_and_not_a_bit(tiny_model, features, tmp_path):
    for name, flags in (("whole", []), ("recomputed", ["--gradient-checkpointing"])):
        finetune(tmp_path / name, tiny_model, features, "--checkpoints", "0.5", *flags, ranks=2)
    whole, recomputed = (tmp_path / name / "checkpoints/epoch-0.5/model.safetensors" for name in ("whole", "recomputed"))
    assert whole.read_bytes() == recomputed.read_bytes()


def test_a_trace_holds_the_operations_of_five_steps_and_changes_no_bit(tiny_model, features, tmp_path):
    weights = [tmp_path / name / "checkpoints/epoch-4/model.safetensors" for name in ("plain", "traced")]
    trace = tmp_path / "new folder/trace.json"
    finetune(tmp_path / "plain", tiny_model, features, "--checkpoints", "4")
    said = finetune(tmp_path / "traced", tiny_model, features, "--checkpoints", "4", "--trace", trace)
    assert f"{trace}: a trace of the steps 11 to 15 of this run" in said.stderr
    assert weights[0].read_bytes() == weights[1].read_bytes()
    events = [event["name"] for event in json.loads(trace.read_text())["traceEvents"] if event.get("ph") == "X"]
    decays = 2  # a fused update for the parameters with weight decay, and one for those without
    assert events.count("aten::_fused_adam_") % (5 * decays) == 0 and "aten::_fused_adam_" in events and "aten::mm" in events
    again = ["--checkpoints", "4,5", "--trace", trace]
    kept = trace.read_bytes()
    assert "these steps are not traced" in finetune(tmp_path / "traced", tiny_model, features, *again).stderr
    assert trace.read_bytes() == kept
    (tmp_path / "file").write_text("")
    said = finetune(tmp_path / "no trace", tiny_model, features, "--checkpoints", "4", "--trace", tmp_path / "file/trace.json", check=False)
    assert said.rc == 0 and "no trace: " in said.stderr and str(tmp_path / "file") in said.stderr
    said = finetune(tmp_path / "test", tiny_model, features, "--self-test", "--trace", trace, check=False)
    assert said.rc == 2 and "--self-test writes nothing; found --trace" in said.stderr


def test_the_configuration_beside_a_run_has_types_and_trains_the_same_model(tiny_model, features, tmp_path):
    finetune(tmp_path / "first", tiny_model, features, "--checkpoints", "0.5", "--optimizer", "adamw", "--schedule", "linear",
             "--warm-up", 0.25, "--no-dropout", learning_rate=3e-4)
    written = tomllib.loads((tmp_path / "first" / "finetune.toml").read_text())["finetune"]
    assert written.items() >= {"batch": 6, "learning_rate": 3e-4, "warm_up": 0.25, "no_dropout": True, "force": False,
                               "optimizer": "adamw", "task": "span", "checkpoints": "0.5", "weight_decay": 0.0}.items()
    bv.run("bv_finetune", "--config", tmp_path / "first" / "finetune.toml", "--output", tmp_path / "second", ranks=2)
    first, second = (tmp_path / name / "checkpoints/epoch-0.5/model.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    again = tomllib.loads((tmp_path / "second" / "finetune.toml").read_text())["finetune"]
    assert again == written | {"output": str(tmp_path / "second")}
    about = [bv.read_json(path.with_name("checkpoint.json")) for path in (first, second)]
    for one in about:
        assert_made_by(one, "bv_finetune", os.environ.get("SLURM_JOB_ID"))
    assert about[0]["model_fingerprint"] == about[1]["model_fingerprint"]  # of the weights, whenever they were made


@pytest.mark.parametrize("task", ["span", "classification"])
def test_any_number_of_ranks_trains_the_same_model_with_dropout(task, tiny_model, features, tmp_path):
    with h5py.File(features) as file:
        steps = -(-(len(file["features/starts"]) - 1) // 6)
    found = {}
    for ranks in (1, 2, 4):
        finetune(tmp_path / str(ranks), tiny_model, features, "--task", task, "--checkpoints", f"50/{steps}",
                 learning_rate=1e-4, ranks=ranks)
        found[ranks] = losses(tmp_path / str(ranks))
    assert len(found[1]) == 50
    assert len(set(found[1])) > 1
    for ranks in (2, 4):
        assert found[ranks] == pytest.approx(found[1], rel=1e-5)
    first, other = (load_file(next((tmp_path / r / "checkpoints").iterdir()) / "model.safetensors") for r in ("1", "4"))
    assert all((first[name] - other[name]).abs().max() < 1e-3 for name in first)


def test_the_same_seed_and_ranks_give_the_same_bits_and_another_seed_does_not(tiny_model, features, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        finetune(tmp_path / name, tiny_model, features, "--checkpoints", "0.5", "--seed", seed)
    a, b, c = ((tmp_path / n / "checkpoints" / "epoch-0.5" / "model.safetensors").read_bytes() for n in "abc")
    assert a == b
    assert a != c


def test_checkpoints_stand_at_exact_fractions_and_open_in_transformers(tiny_model, features, tmp_path):
    finetune(tmp_path, tiny_model, features, "--checkpoints", "0,0.3,1/3,1")
    steps = len(losses(tmp_path))
    for name, epoch, step in (("epoch-0", "0", 0), ("epoch-0.3", "3/10", -(-3 * steps // 10)),
                              ("epoch-1_3", "1/3", -(-steps // 3)), ("epoch-1", "1", steps)):
        marker = bv.read_json(tmp_path / "checkpoints" / name / "checkpoint.json")
        assert (marker["epoch"], marker["step"]) == (epoch, step)
        opened, notes = BertForQuestionAnswering.from_pretrained(tmp_path / "checkpoints" / name, output_loading_info=True)
        assert not notes["missing_keys"]
    assert bv.read_json_lines(tmp_path / "metrics" / "finetune.jsonl")[-1]["phases"]["saving"] > 0
    finetune(tmp_path / "c", tiny_model, features, "--task", "classification", "--checkpoints", "0.5")
    _, notes = BertForSequenceClassification.from_pretrained(tmp_path / "c" / "checkpoints" / "epoch-0.5",
                                                             output_loading_info=True)
    assert not notes["missing_keys"] and not notes["unexpected_keys"]


def test_more_ranks_than_examples_is_allowed(tiny_model, corpus, model, tmp_path):
    path = tmp_path / "two.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--limit", 2, "--output", path)
    finetune(tmp_path / "run", tiny_model, path, "--checkpoints", "1", ranks=4)
    assert len(losses(tmp_path / "run")) == 1


def test_a_users_mistake_is_one_line_with_exit_code_2_at_every_rank_count(tiny_model, features, tmp_path):
    config = tmp_path / "study.toml"
    config.write_text("[finetune]\nlerning_rate = 1e-4\n")
    (tmp_path / "run" / "checkpoints" / "epoch-1").mkdir(parents=True)
    cases = [(("--config", config), ("study.toml:2", "lerning_rate", "learning_rate")),
             (("--epochs", 3), ("'--epochs'", "'--checkpoints'")),
             (("--checkpoints", "1"), ("epoch-1", "--force")),
             (("--checkpoints", "fast"), ("fast",)),
             (("--task", "translation"), ("translation",))]
    for flags, expected in cases:
        for ranks in (1, 4):
            result = finetune(tmp_path / "run", tiny_model, features, *flags, ranks=ranks, check=False)
            assert result.rc == 2
            errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
            assert len(errors) == 1
            assert all(part in errors[0] for part in expected)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["checkpoints"]


def test_a_damaged_recipe_is_called_damaged_and_a_checkpoint_without_weights_is_made_again(tiny_model, features, tmp_path):
    run = tmp_path / "run"
    weights = run / "checkpoints" / "epoch-0.5" / "model.safetensors"
    finetune(run, tiny_model, features, "--checkpoints", "0.5")
    first = weights.read_bytes()
    weights.unlink()
    finetune(run, tiny_model, features, "--checkpoints", "0.5")
    assert weights.read_bytes() == first
    for name in ("config.json", "model.safetensors"):  # of those that checkpoint.json lists
        (weights.parent / name).unlink()
        finetune(run, tiny_model, features, "--checkpoints", "0.5")
        assert (weights.parent / name).exists() and weights.read_bytes() == first
    assert "trained already" in finetune(run, tiny_model, features, "--checkpoints", "0.5").stderr
    recipe = run / "resume" / "recipe.json"
    for damage in ("", recipe.read_text()[:40], "[]"):
        recipe.write_text(damage)
        for ranks in (1, 2):
            result = finetune(run, tiny_model, features, "--checkpoints", "0.5", ranks=ranks, check=False)
            (error,) = bv.error_lines(result.stderr)
            assert result.rc == 2
            assert "damaged" in error and str(recipe) in error and "; --force starts anew" in error
            assert "another run" not in error
    finetune(run, tiny_model, features, "--checkpoints", "0.5", "--force")
    assert weights.read_bytes() == first


def test_a_damaged_marker_makes_its_checkpoint_again(tiny_model, features, tmp_path):
    marker = tmp_path / "checkpoints/epoch-0.5/checkpoint.json"
    finetune(tmp_path, tiny_model, features, "--checkpoints", "0.5")
    first = bv.weights(tmp_path)
    marker.write_text("{")
    again = finetune(tmp_path, tiny_model, features, "--checkpoints", "0.5")
    assert f"not a whole checkpoint: {marker}" in again.stderr
    assert bv.weights(tmp_path) == first and bv.read_json(marker)["epoch"] == "1/2"


def test_a_configuration_that_changed_is_another_model(tiny_model, features, tmp_path):
    """Weights alone do not say what a model computes: the same ones with another activation give other results."""
    models = [tmp_path / name / "model" for name in ("a", "b")]
    for model in models:
        shutil.copytree(tiny_model, model)
    run = tmp_path / "run"
    finetune(run, models[0], features, "--checkpoints", "0.5")
    config = bv.read_json(models[1] / "config.json")
    assert config["hidden_act"] == "gelu"
    (models[1] / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    refused = finetune(run, models[1], features, "--checkpoints", "0.5,1", check=False)
    (error,) = bv.error_lines(refused.stderr)
    assert refused.rc == 2 and "belongs to another run: model " in error


def test_checkpoints_have_the_tokenizer_of_the_start_although_its_folder_goes_away(tiny_model, features, tmp_path):
    model, gone = tmp_path / "model", tmp_path / "gone"
    shutil.copytree(tiny_model, model)
    recipe = ["--checkpoints", "0:40:0.5", "--resume-every", 0]
    finetune(tmp_path / "all", model, features, *recipe, ranks=1)
    running = bv.start("bv_finetune", "--model", model, "--features", features, "--output", tmp_path / "run", "--batch", 6, "--learning-rate",
                       1e-3, "--device", "cpu", "--precision", "float32", "--threads", 1, *recipe, ranks=1)
    first = tmp_path / "run/checkpoints/epoch-0/checkpoint.json"
    while not first.exists():
        assert running.poll() is None
        time.sleep(0.001)
    model.rename(gone)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    for checkpoint in ("epoch-0", "epoch-40"):
        names = [sorted(path.name for path in (tmp_path / run / "checkpoints" / checkpoint).iterdir()) for run in ("all", "run")]
        assert names[0] == names[1] and "vocab.txt" in names[0]


def test_training_questions_that_are_evaluated_are_told(tiny_model, features, tmp_path):
    told = finetune(tmp_path, tiny_model, features, "--checkpoints", "0", "--eval-features", features)
    line, = (line for line in told.stderr.splitlines() if "questions are also in" in line)
    assert f"{features}: 23 of its 23 questions" in line


def test_for_one_more_checkpoint_the_others_stay_as_they_are(tiny_model, features, tmp_path):
    finetune(tmp_path, tiny_model, features, "--checkpoints", "0.5,1", ranks=1)
    before = bv.weights(tmp_path)
    again = finetune(tmp_path, tiny_model, features, "--checkpoints", "0.3,1", ranks=2)  # whose sums have other rounding
    assert "epoch-1 is there already and stays" in again.stderr
    assert {**bv.weights(tmp_path), **before} == bv.weights(tmp_path) and len(bv.weights(tmp_path)) == 3
    alone = finetune(tmp_path / "alone", tiny_model, features, "--checkpoints", "1", ranks=2)
    assert "stays" not in alone.stderr and bv.weights(tmp_path / "alone")["epoch-1"] != before["epoch-1"]


def test_a_run_from_the_beginning_does_not_join_checkpoints_of_another_recipe(tiny_model, features, tmp_path):
    finetune(tmp_path, tiny_model, features, "--checkpoints", "0.5")
    flags = ["--checkpoints", "1", "--resume", "never"]
    result = finetune(tmp_path, tiny_model, features, *flags, learning_rate=1e-4, check=False)
    (error,) = bv.error_lines(result.stderr)
    assert result.rc == 2 and "checkpoints/epoch-0.5 exists already" in error
    finetune(tmp_path, tiny_model, features, *flags, "--force", learning_rate=1e-4)
    assert list(bv.weights(tmp_path)) == ["epoch-1"]


def test_with_force_no_checkpoint_of_another_recipe_is_left(tiny_model, features, tmp_path):
    finetune(tmp_path, tiny_model, features, "--checkpoints", "0.3,0.5,1")
    finetune(tmp_path, tiny_model, features, "--checkpoints", "0.3,1", "--seed", 2, "--force")
    assert sorted(bv.weights(tmp_path)) == ["epoch-0.3", "epoch-1"]


def test_features_of_another_vocabulary_are_refused(tiny_model, features, tmp_path):
    other = bv.write_model(tmp_path / "other")
    (other / "vocab.txt").write_text((other / "vocab.txt").read_text(encoding="utf-8") + "another\n", encoding="utf-8")
    result = finetune(tmp_path / "run", other, features, "--checkpoints", "1", check=False)
    assert result.rc == 2
    assert "vocabulary" in result.stderr and str(features) in result.stderr


def test_features_of_another_tokenizer_with_the_same_vocabulary_are_refused(tiny_model, features, tmp_path):
    cased = shutil.copytree(tiny_model, tmp_path / "cased")
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    special = shutil.copytree(tiny_model, tmp_path / "special")
    (special / "special_tokens_map.json").write_text('{"additional_special_tokens": ["[unused7]"]}')
    for folder, expected in ((cased, "lower-casing"), (special, "added tokens")):
        result = finetune(tmp_path / "run", folder, features, "--checkpoints", "1", check=False)
        assert result.rc == 2
        lines = bv.error_lines(result.stderr)
        assert len(lines) == 1 and expected in lines[0] and str(features) in lines[0] and str(folder) in lines[0]


def test_a_checkpoint_keeps_every_tokenizer_file_and_fits_its_features(tiny_model, corpus, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "added_tokens.json").write_text('{"[unused7]": 8}')
    (folder / "special_tokens_map.json").write_text('{"additional_special_tokens": ["[unused7]"]}')
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", folder, "--max-tokens", 96, "--stride", 24,
           "--output", tmp_path / "dev.h5")
    finetune(tmp_path / "run", folder, tmp_path / "dev.h5", "--checkpoints", "0.1")
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    for name in ("vocab.txt", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"):
        assert (checkpoint / name).read_bytes() == (folder / name).read_bytes()
    bv.run("bv_extract", "--checkpoint", checkpoint, "--features", tmp_path / "dev.h5", "--store", tmp_path / "store.h5",
           "--task", "span", "--device", "cpu", "--threads", 1)


def test_a_loss_that_is_not_finite_is_reported_with_its_questions(tiny_model, features, tmp_path):
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    with h5py.File(features) as file:
        table = file["features"]
        starts, ids = table["starts"][:], table["ids"][:]
        text, ends = table["questions/id/bytes"][:].tobytes(), table["questions/id/starts"][:]
        questions = [text[begin:end].decode() for begin, end in zip(ends, ends[1:])]
        # A word that stands in few features only, so that some batches are whole.
        word = min(set(ids), key=lambda word: (abs((ids == word).sum() - 1), word))
        marked = {questions[table["question_of"][f]] for f in range(len(starts) - 1) if word in ids[starts[f]:starts[f + 1]]}
    name, = (name for name in weights if name.endswith("word_embeddings.weight"))
    # Finite, but LayerNorm's mean and deviation of them are not.
    weights[name][word] = torch.tensor([3e38, -3e38]).repeat(weights[name].shape[1] // 2)
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    stopped = finetune(tmp_path / "stopped", broken, features, "--checkpoints", "1", check=False)
    assert stopped.rc == 2
    line, = (line for line in stopped.stderr.splitlines() if line.startswith("error: "))
    assert "the loss is not finite" in line and "rank" in line and any(question in line for question in marked)
    skipped = finetune(tmp_path / "skipped", broken, features, "--checkpoints", "1", "--non-finite", "skip")
    assert skipped.stderr.count("; skipped") == 1
    trained = load_file(tmp_path / "skipped" / "checkpoints" / "epoch-1" / "model.safetensors")
    assert all(values.isfinite().all() for name, values in trained.items() if "word_embeddings" not in name)
