"""bv_train: what it writes, what it refuses, and what changes neither with company nor with the number of ranks."""

import json
import shutil
import tomllib

import bv
import numpy as np
import pytest
from head_training import VARIANT, assert_close, make_study, refusal, train, weights
from made_by import assert_made_by
from safetensors.numpy import load_file

MINE = """\
task = "span"
blocks = [
    { type = "average_pooling" },
    { type = "adapter", width = 3 },
    { type = "linear", width = 2 },
]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_model, corpus):
    return make_study(tmp_path_factory.mktemp("study"), tiny_model, corpus)


def test_the_configuration_beside_a_head_has_types_and_trains_the_same_head(study, tmp_path):
    train(study, tmp_path / "first", "learned_pooling,adapter_64_shared", "--epochs", 1, "--seed", "1,2", "--share", "0.5,1",
          "--held-out", 0.25)
    config = tmp_path / "first" / "learned_pooling" / VARIANT / "config.toml"
    written = tomllib.loads(config.read_text())["train"]
    assert written.items() >= {"heads": ["learned_pooling", "adapter_64_shared"], "seed": [1, 2], "share": [0.5, 1.0],
                               "learning_rate": [0.001], "epochs": 1, "held_out": 0.25, "force": False}.items()
    bv.run("bv_train", "--config", config, "--output", tmp_path / "second")
    made = [{path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("head.safetensors")}
            for name in ("first", "second")]
    assert len(made[0]) == 8 and made[0] == made[1]
    lines = bv.read_json_lines(config.parent / "metrics.jsonl")
    assert [line["held_out"]["epoch"] for line in lines] == [1]


def test_heads_train_on_float8_as_on_the_same_states_in_float32(study, tiny_model, tmp_path):
    """From disk and from memory with the same bits, on any number of ranks, and with nearly the losses of float32."""
    heads = "learned_pooling,adapter_64_shared_skip"
    for dtype in ("float8", "float32"):
        (tmp_path / dtype).mkdir()
        for split in ("train", "dev"):
            bv.run("bv_extract", "--checkpoint", tiny_model, "--features", study / f"{split}.h5", "--task", "span", "--dtype", dtype,
                   "--precision", "float32", "--store", tmp_path / dtype / f"span-{split}.h5")
        train(tmp_path / dtype, tmp_path / dtype / "heads", heads, "--epochs", 1)
    train(tmp_path / "float8", tmp_path / "disk", heads, "--epochs", 1, "--cache-gib", 0)
    train(tmp_path / "float8", tmp_path / "ranks", heads, "--epochs", 1, ranks=2)
    for head in heads.split(","):
        own = tmp_path / "float8" / "heads"
        assert_close(weights(tmp_path / "disk", head), weights(own, head), 0)
        assert_close(weights(tmp_path / "ranks", head), weights(own, head), 1e-4)
        losses = [bv.read_json_lines(folder / head / VARIANT / "metrics.jsonl")[0]["loss"]
                  for folder in (own, tmp_path / "float32" / "heads")]
        assert losses[0] == pytest.approx(losses[1], rel=0.01) and losses[0] != losses[1]


def test_every_head_gets_its_folder_with_all_results(study, tmp_path):
    train(study, tmp_path, "learned_pooling,adapter_64_shared", "--epochs", 2)
    for head in ("learned_pooling", "adapter_64_shared"):
        folder = tmp_path / head / VARIANT
        lines = bv.read_json_lines(folder / "metrics.jsonl")
        assert [line["epoch"] for line in lines] == [1, 2]
        assert all(0 <= line["waiting_share"] <= 1 for line in lines)
        assert all(0 < line["step_seconds"] < line["seconds"] for line in lines)
        tenths = lines[0]["loss_of_tenths"]
        assert len(tenths) == min(10, lines[0]["step"])
        assert min(tenths) < lines[0]["loss"] < max(tenths)
        metrics = bv.read_json(folder / "metrics.json")
        assert metrics["official"] == lines[-1]["official"]
        assert metrics["reference"] == lines[-1]["reference"]
        assert metrics["parameters"] == sum(value.numel() for value in weights(tmp_path, head).values())
        assert metrics["other_checkpoint"] is False
        assert (folder / "config.toml").read_text().startswith("[train]")
        about = bv.read_json(folder / "head.json")
        assert (about["head"], about["task"], about["epoch"], about["epochs"]) == (head, "span", "0", 2)


def test_classification_trains_ten_epochs_by_default(study, tmp_path):
    train(study, tmp_path, "tenney_small", task="classification")
    lines = bv.read_json_lines(tmp_path / "tenney_small" / VARIANT / "metrics.jsonl")
    assert len(lines) == 10
    assert bv.read_json(tmp_path / "tenney_small" / VARIANT / "head.json")["batch"] == 64
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert 0 <= lines[-1]["classification"]["exact"] <= 100


def test_a_head_in_company_gets_the_same_bits_as_alone(study, tmp_path):
    train(study, tmp_path / "company", "learned_pooling,adapter_386_shared,adapter_64_shared_skip")
    train(study, tmp_path / "alone", "adapter_64_shared_skip")
    for name in ("head.safetensors", "logits.safetensors", "questions.safetensors"):
        company, alone = (tmp_path / folder / "adapter_64_shared_skip" / VARIANT / name for folder in ("company", "alone"))
        assert company.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("task, head", [("span", "adapter_64_shared_skip"), ("classification", "adapter_pooler_tenney")])
def test_any_number_of_ranks_trains_the_same_head(study, tmp_path, task, head):
    for ranks in (1, 2, 4):
        train(study, tmp_path / str(ranks), head, "--epochs", 2, "--batch", 8, "--learning-rate", "1e-4", task=task, ranks=ranks)
    for ranks in (2, 4):
        assert_close(weights(tmp_path / str(ranks), head, "epoch-0/lr-0.0001-seed-1"),
                     weights(tmp_path / "1", head, "epoch-0/lr-0.0001-seed-1"), 1e-4, task=task)
    for ranks in (1, 2, 4):
        folder = tmp_path / str(ranks) / head / "epoch-0/lr-0.0001-seed-1"
        columns, metrics = load_file(folder / "questions.safetensors"), bv.read_json(folder / "metrics.json")
        if task == "span":
            none = columns["null_odds"] > 0
            right = np.where(none, 1 - columns["answerable"], columns["exact"])
            assert 100 * right.mean() == pytest.approx(metrics["official"]["exact"])
            assert 100 * columns["reference_f1"].mean() == pytest.approx(metrics["reference"]["f1"], abs=1e-4)
        else:
            right = (columns["none_probability"] > 0.5) != columns["answerable"]
            assert 100 * right.mean() == pytest.approx(metrics["classification"]["exact"])
        assert metrics["features"]["path"] == str(study / f"{task}-dev.h5")


def test_more_ranks_than_sequences_in_a_batch_are_allowed(study, tmp_path):
    train(study, tmp_path / "1", "learned_pooling", "--batch", 2, ranks=1)
    train(study, tmp_path / "4", "learned_pooling", "--batch", 2, ranks=4)
    assert_close(weights(tmp_path / "4", "learned_pooling"), weights(tmp_path / "1", "learned_pooling"), 1e-3)


def test_a_store_in_memory_gives_the_same_bits_as_one_on_disk(study, tmp_path):
    train(study, tmp_path / "memory", "learned_pooling")
    train(study, tmp_path / "disk", "learned_pooling", "--cache-gib", 0)
    memory, disk = (tmp_path / folder / "learned_pooling" / VARIANT / "head.safetensors" for folder in ("memory", "disk"))
    assert memory.read_bytes() == disk.read_bytes()


@pytest.mark.parametrize("task, head", [("span", "learned_pooling"), ("classification", "adapter_pooler_mean")])
def test_states_computed_on_the_way_give_the_head_of_a_store(study, tmp_path, tiny_model, task, head):
    """And never of the states of other products, whose heads have other values."""
    for split in ("train", "dev"):
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", study / f"{split}.h5", "--task", task, "--store",
               tmp_path / f"{task}-{split}.h5", "--dtype", "float32", "--precision", "float32")
    train(tmp_path, tmp_path / "stored", head, "--learning-rate", "1e-4", task=task)
    compute = ["--checkpoint", tiny_model, "--features", study / "train.h5", "--dev-features", study / "dev.h5",
               "--heads", head, "--output", tmp_path / "computed", "--device", "cpu", "--learning-rate", "1e-4"]
    bv.run("bv_train", *compute, "--precision", "float32")
    refused = bv.run("bv_train", *compute, "--precision", "bfloat16", check=False)
    assert refused.rc == 2 and "precision" in refused.stderr, refused.stderr
    variant = "epoch-0/lr-0.0001-seed-1"
    assert_close(weights(tmp_path / "computed", head, variant), weights(tmp_path / "stored", head, variant), 1e-5, task=task)


def test_a_head_of_the_users_own_needs_a_file_alone(study, tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    train(study, tmp_path, tmp_path / "mine.toml")
    metrics = bv.read_json(tmp_path / "mine" / VARIANT / "metrics.json")
    assert metrics["parameters"] == 32 * 3 + 3 + 3 * 2 + 2


def recorded(study, key):
    """The path of a store's checkpoint or features, as its configuration tells it."""
    return tomllib.loads((study / "span-train.h5.toml").read_text())["extract"][key]


def test_bv_eval_scores_a_saved_head_as_bv_train_did(study, tmp_path, monkeypatch):
    for name, value in (("SLURM_JOB_ID", "17"), ("SLURM_ARRAY_JOB_ID", "12"), ("SLURM_ARRAY_TASK_ID", "3")):
        monkeypatch.setenv(name, value)
    train(study, tmp_path, "adapter_64_shared")
    head = tmp_path / "adapter_64_shared" / VARIANT
    bv.run("bv_eval", "--head", head, "--store", study / "span-dev.h5", "--output", tmp_path / "evaluation", "--device", "cpu")
    ours, theirs = bv.read_json(head / "metrics.json"), bv.read_json(tmp_path / "evaluation" / "metrics.json")
    assert ours["official"] == theirs["official"]
    assert ours["reference"] == theirs["reference"]
    assert_made_by(ours, "bv_train", job="12_3")
    assert_made_by(theirs, "bv_eval", job="12_3")
    assert {name: ours[name]["path"] for name in ("store", "dev_store", "checkpoint", "train_features", "features")} == {
        "store": str(study / "span-train.h5"), "dev_store": str(study / "span-dev.h5"), "checkpoint": recorded(study, "checkpoint"),
        "train_features": recorded(study, "features"), "features": str(study / "span-dev.h5")}
    about = bv.read_json(head / "head.json")
    assert ours["train_features"]["fingerprint"] == about["features"] != ours["features"]["fingerprint"]
    assert {ours[name]["fingerprint"] for name in ("store", "dev_store", "checkpoint")} == {about["checkpoint"]}
    assert theirs["head_fingerprint"] == about["tensors"]


def test_states_of_another_checkpoint_are_refused_unless_allowed_and_recorded(study, tmp_path):
    other = bv.write_model(tmp_path / "other", seed=1)
    bv.run("bv_extract", "--checkpoint", other, "--features", study / "dev.h5", "--task", "span", "--store", tmp_path / "span-dev.h5")
    dev = tmp_path / "span-dev.h5"
    for ranks in (None, 2):
        assert "another checkpoint" in refusal(study, tmp_path / "heads", "learned_pooling", dev_store=dev, ranks=ranks)
    assert not (tmp_path / "heads").exists()
    train(study, tmp_path / "heads", "learned_pooling", "--allow-other-checkpoint", dev_store=dev)
    folder = tmp_path / "heads" / "learned_pooling" / VARIANT
    assert bv.read_json(folder / "head.json")["other_checkpoint"] is True
    assert bv.read_json(folder / "metrics.json")["other_checkpoint"] is True


def test_mistakes_are_named_in_one_line_and_leave_nothing(study, tmp_path):
    output = tmp_path / "heads"
    assert "'adapter_64_shared'" in refusal(study, output, "adapter_64_sharred")
    assert "classification" in refusal(study, output, "tenney_small")
    assert "one task" in refusal(study, output, "tenney_small,learned_pooling")
    assert "twice" in refusal(study, output, "learned_pooling,learned_pooling")
    (tmp_path / "mine.toml").write_text(MINE.replace("width = 2", "widht = 2"))
    assert "mine.toml:5" in refusal(study, output, tmp_path / "mine.toml")
    assert "no.h5" in refusal(study, output, "learned_pooling", dev_store=tmp_path / "no.h5", ranks=2)
    assert "--dev-store" in refusal(study, output, "learned_pooling", "--checkpoint", tmp_path)
    assert not output.exists()


def test_a_finished_result_is_replaced_with_force_alone(study, tmp_path):
    unfinished = tmp_path / "learned_pooling" / VARIANT / "metrics.jsonl"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_text("{}")
    train(study, tmp_path, "learned_pooling")
    assert len(bv.read_json_lines(unfinished)) == 1
    files = {path: path.stat().st_mtime_ns for path in unfinished.parent.rglob("*")}
    again = train(study, tmp_path, "learned_pooling,adapter_64_shared", ranks=2)
    assert f"{unfinished.parent}: trained already" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in unfinished.parent.rglob("*")} == files
    assert (tmp_path / "adapter_64_shared" / VARIANT / "metrics.json").exists()
    weights = unfinished.parent / "head.safetensors"
    first = weights.read_bytes()
    weights.unlink()
    gone = train(study, tmp_path, "learned_pooling")
    assert "the head is not" in gone.stderr and weights.read_bytes() == first
    refused = refusal(study, tmp_path, "learned_pooling", "--batch", 8, ranks=2)
    assert "batch 16 there, 8 here" in refused and "--force" in refused
    train(study, tmp_path, "learned_pooling", "--force")
    assert unfinished.stat().st_mtime_ns != files[unfinished]
    recipe = unfinished.parent / "resume" / "recipe.json"
    recipe.write_text(recipe.read_text()[:40])
    refused = refusal(study, tmp_path, "learned_pooling")
    assert "damaged" in refused and str(recipe) in refused and "--force" in refused
    train(study, tmp_path, "learned_pooling", "--force")


def test_a_store_whose_checkpoint_has_changed_is_refused_unless_allowed(tiny_model, corpus, tmp_path):
    """bv_finetune --force with another rate replaces a checkpoint, whose stores stay."""
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", tiny_model, "--output", tmp_path / "train.h5", "--limit", 8)
    tune = ["--model", tiny_model, "--features", tmp_path / "train.h5", "--task", "span", "--output", tmp_path, "--checkpoints", "1",
            "--device", "cpu"]
    checkpoint = tmp_path / "checkpoints" / "epoch-1"
    bv.run("bv_finetune", *tune)
    for split in ("train", "dev"):
        bv.run("bv_extract", "--checkpoint", checkpoint, "--features", tmp_path / "train.h5", "--task", "span", "--store",
               tmp_path / f"span-{split}.h5")
    train(tmp_path, tmp_path / "heads", "learned_pooling")
    bv.run("bv_finetune", *tune, "--force", "--learning-rate", 1e-3)
    for ranks in (1, 2):
        refused = refusal(tmp_path, tmp_path / "again", "learned_pooling", ranks=ranks)
        for part in (str(tmp_path / "span-train.h5"), str(checkpoint), "has changed", "--allow-other-checkpoint"):
            assert part in refused
    allowed = train(tmp_path, tmp_path / "again", "learned_pooling", "--allow-other-checkpoint")
    assert str(checkpoint) in allowed.stderr and "has changed" in allowed.stderr
    # A store for which no checkpoint.json says what the weights are; and the evaluation of a head.
    (checkpoint / "checkpoint.json").unlink()
    assert "has changed" in refusal(tmp_path, tmp_path / "plain", "learned_pooling")
    (head,) = (tmp_path / "again").glob("*/epoch-1/*")
    evaluate = ["--head", head, "--store", tmp_path / "span-dev.h5", "--output", tmp_path / "evaluation"]
    (error,) = bv.error_lines(bv.run("bv_eval", *evaluate, check=False).stderr)
    assert "has changed" in error
    bv.run("bv_eval", *evaluate, "--allow-other-checkpoint")
    # Without its checkpoint a store stands for itself.
    shutil.rmtree(checkpoint)
    assert "has changed" not in train(tmp_path, tmp_path / "alone", "learned_pooling").stderr


def test_the_flag_that_is_missing_is_named(study, tmp_path):
    store, features = study / "span-train.h5", study / "train.h5"
    for flags, missing in [(["--store", store], "--dev-store"), (["--dev-store", store], "--store"),
                           (["--checkpoint", study, "--features", features], "--dev-features"),
                           (["--checkpoint", study, "--dev-features", features], "--features"),
                           (["--features", features], "--checkpoint")]:
        refused = bv.run("bv_train", *flags, "--heads", "learned_pooling", "--output", tmp_path / "out", check=False)
        (error,) = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and f"error: {missing} " in error and "is missing" in error
    assert not (tmp_path / "out").exists()


def test_training_questions_that_are_scored_are_told(study, tmp_path):
    alike = train(study, tmp_path / "a", "learned_pooling", dev_store=study / "span-train.h5", ranks=2)
    told, = (line for line in alike.stderr.splitlines() if "questions are also in" in line)
    assert f"{study / 'span-train.h5'}: 23 of its 23 questions" in told
    assert "are also in" not in train(study, tmp_path / "b", "learned_pooling").stderr


def test_a_head_that_no_memory_can_hold_is_one_line(study, tmp_path):
    (tmp_path / "huge.toml").write_text('task = "span"\nblocks = [\n{ type = "learned_pooling" },\n{ type = "linear", width = 1000000 },\n'
                                        '{ type = "linear", width = 1000000 },\n{ type = "linear", width = 2 },\n]\n')
    result = train(study, tmp_path / "heads", tmp_path / "huge.toml", check=False)
    (failure,) = (line for line in result.stderr.splitlines() if line.startswith(("failure:", "error:")))
    assert result.rc != 0 and "allocate" in failure and "Exception raised from" not in result.stderr and "frame #" not in result.stderr


def test_a_missing_class_in_the_training_data_is_told(study, tiny_model, corpus, tmp_path):
    squad = bv.read_json(corpus / "train.json")
    for paragraph in (paragraph for article in squad["data"] for paragraph in article["paragraphs"]):
        paragraph["qas"] = [question for question in paragraph["qas"] if question["answers"]]
    (tmp_path / "answered.json").write_text(json.dumps(squad))
    made = bv.run("bv_prepare", "--squad", tmp_path / "answered.json", "--model", tiny_model, "--output", tmp_path / "answered.h5")
    assert "(0 unanswerable)" in made.stderr
    warning = "so class 1 (no answer) is missing"
    common = ["--checkpoint", tiny_model, "--dev-features", study / "dev.h5", "--heads", "classification_probe", "--epochs", 1,
              "--device", "cpu"]
    told = bv.run("bv_train", *common, "--features", tmp_path / "answered.h5", "--output", tmp_path / "one").stderr
    assert warning in told
    assert warning not in bv.run("bv_train", *common, "--features", study / "train.h5", "--output", tmp_path / "both").stderr
    tuned = bv.run("bv_finetune", "--model", tiny_model, "--features", tmp_path / "answered.h5", "--task", "classification",
                   "--checkpoints", "0", "--output", tmp_path / "tuned", "--device", "cpu").stderr
    assert warning in tuned
