"""bv_train: what it writes, what it refuses, and what changes neither with company nor with the number of ranks."""

import json
import re
import shutil

import bv
import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

VARIANT = "epoch-0/lr-0.001-seed-1"
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
    """Folder with features and float16 stores of both tasks and splits."""
    folder = tmp_path_factory.mktemp("study")
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", tiny_model, "--output", folder / f"{split}.h5")
        for task in ("span", "classification"):
            bv.run("bv_extract", "--checkpoint", tiny_model, "--features", folder / f"{split}.h5", "--task", task, "--store",
                   folder / f"{task}-{split}.h5")
    return folder


def train(study, output, heads, *flags, task="span", dev_store=None, ranks=None, check=True):
    return bv.run("bv_train", "--store", study / f"{task}-train.h5", "--dev-store", dev_store or study / f"{task}-dev.h5",
                  "--heads", heads, "--output", output, "--device", "cpu", *flags, ranks=ranks, check=check)


def refusal(*args, **kwargs):
    result = train(*args, check=False, **kwargs)
    assert result.rc == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def weights(output, head, variant=VARIANT):
    return load_file(output / head / variant / "head.safetensors")


def assert_close(ours, theirs, tolerance, *, task="span"):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if task == "span" and name.endswith("linear.bias"):
            continue  # a softmax over tokens is blind to it: its gradient is rounding, which Adam makes steps of
        assert (value - theirs[name]).norm() <= tolerance * theirs[name].norm(), name


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
    for name in ("head.safetensors", "logits.safetensors"):
        company, alone = (tmp_path / folder / "adapter_64_shared_skip" / VARIANT / name for folder in ("company", "alone"))
        assert company.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("task, head", [("span", "adapter_64_shared_skip"), ("classification", "adapter_pooler_tenney")])
def test_any_number_of_ranks_trains_the_same_head(study, tmp_path, task, head):
    for ranks in (1, 2, 4):
        train(study, tmp_path / str(ranks), head, "--epochs", 2, "--batch", 8, "--learning-rate", "1e-4", task=task, ranks=ranks)
    for ranks in (2, 4):
        assert_close(weights(tmp_path / str(ranks), head, "epoch-0/lr-0.0001-seed-1"),
                     weights(tmp_path / "1", head, "epoch-0/lr-0.0001-seed-1"), 1e-4, task=task)


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


def test_bv_eval_scores_a_saved_head_as_bv_train_did(study, tmp_path):
    train(study, tmp_path, "adapter_64_shared")
    head = tmp_path / "adapter_64_shared" / VARIANT
    bv.run("bv_eval", "--head", head, "--store", study / "span-dev.h5", "--output", tmp_path / "evaluation", "--device", "cpu")
    ours, theirs = bv.read_json(head / "metrics.json"), bv.read_json(tmp_path / "evaluation" / "metrics.json")
    assert ours["official"] == theirs["official"]
    assert ours["reference"] == theirs["reference"]


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
    refused = refusal(study, tmp_path, "learned_pooling", "--batch", 8, ranks=2)
    assert "batch 16 there, 8 here" in refused and "--force" in refused
    train(study, tmp_path, "learned_pooling", "--force")
    assert unfinished.stat().st_mtime_ns != files[unfinished]
    recipe = unfinished.parent / "resume" / "recipe.json"
    recipe.write_text(recipe.read_text()[:40])
    refused = refusal(study, tmp_path, "learned_pooling")
    assert "damaged" in refused and str(recipe) in refused and "--force" in refused
    train(study, tmp_path, "learned_pooling", "--force")


def test_a_grid_gives_each_head_what_it_gets_alone(study, tmp_path):
    train(study, tmp_path / "grid", "learned_pooling,adapter_64_shared", "--learning-rate", "1e-3,3e-4", "--seed", "1,2")
    variants = [f"epoch-0/lr-{rate}-seed-{seed}" for rate in ("0.001", "0.0003") for seed in (1, 2)]
    heads = ["learned_pooling", "adapter_64_shared"]
    found = [(tmp_path / "grid" / head / variant / "head.safetensors").read_bytes() for head in heads for variant in variants]
    assert len(set(found)) == 8
    train(study, tmp_path / "alone", "adapter_64_shared", "--learning-rate", "3e-4", "--seed", 2)
    # Those of one definition are one batched computation, which rounds in its own way.
    grid, alone = (weights(tmp_path / folder, "adapter_64_shared", variants[3]) for folder in ("grid", "alone"))
    assert_close(grid, alone, 1e-5)
    config = tmp_path / "grid" / "learned_pooling" / variants[0] / "config.toml"
    train(study, tmp_path / "again", "learned_pooling", "--config", config)
    again = tmp_path / "again" / "learned_pooling" / variants[3] / "head.safetensors"
    assert again.read_bytes() == found[3]
    assert "--seed names 2 twice" in refusal(study, tmp_path / "twice", "learned_pooling", "--seed", "1,2,2")


def test_the_data_seed_alone_decides_the_order(study, tmp_path):
    for seed in (1, 2):
        train(study, tmp_path / str(seed), "learned_pooling", "--data-seed", seed)
    first, second = (weights(tmp_path / str(seed), "learned_pooling") for seed in (1, 2))
    assert not torch.equal(first["0.learned_pooling.weights"], second["0.learned_pooling.weights"])


def test_heads_that_do_not_fit_together_are_trained_in_passes(study, tmp_path):
    flags = ["--seed", "1,2,3", "--batch", 1]
    whole = train(study, tmp_path / "whole", "adapter_386_unshared", *flags)
    (size, kept, working), = re.findall(
        r"heads: 3, groups of alike ones: 1, memory: ([\d.]+) MB \(([\d.]+) MB kept, ([\d.]+) MB during", whole.stderr)
    states, hidden, width = 3, 32, 386
    parameters = states * (hidden + 1) * width + (states * width + 1) * 2
    with h5py.File(study / "dev.h5") as file:
        logits = 2 * int(file["features/starts"][-1])
    # Values, gradients and two moments; a copy of the state, without gradients; the logits of dev, twice.
    assert float(kept) == pytest.approx(3 * 4 * (7 * parameters + 2 * logits) / 1e6, rel=0.05)
    with h5py.File(study / "train.h5") as file:
        tokens = np.diff(file["features/starts"][:]).max()
    # Of each, as they take their steps together: before and after GELU, their gradients, flattened.
    assert 2 < float(working) * 1e6 / 3 / (4 * states * tokens * width) < 8
    assert "passes" not in whole.stderr
    limited = lambda name, megabytes: train(study, tmp_path / name, "adapter_386_unshared", *flags,
                                            "--memory-gib", megabytes * 1e6 / 2**30).stderr
    # First heads take their steps in turn, then some wait for a pass of their own.
    turns = limited("turns", float(size) * 0.95)
    assert "heads: 3, groups of alike ones: 2," in turns and "passes" not in turns
    assert "heads: 3, in 2 passes over the states" in limited("split", 1.05 * (float(kept) * 2 + float(working)) / 3)
    for seed in (1, 2, 3):
        one, *others = (weights(tmp_path / folder, "adapter_386_unshared", f"epoch-0/lr-0.001-seed-{seed}")
                        for folder in ("whole", "turns", "split"))
        for other in others:
            assert_close(one, other, 1e-4)  # groups of other sizes round in their own ways, over hundreds of steps
    refused = refusal(study, tmp_path / "none", "adapter_64_shared", "--memory-gib", 1e-5, ranks=2)
    assert "adapter_64_shared, lr 0.001, seed 1 takes" in refused and "--memory-gib" in refused
    assert not (tmp_path / "none").exists()


def test_what_states_take_of_memory_is_said_first(study, tmp_path):
    rows = {}
    for split in ("train", "dev"):
        with h5py.File(study / f"{split}.h5") as file:
            rows[split] = np.diff(file["features/starts"][:])
    said = train(study, tmp_path / "memory", "adapter_64_shared", "--cache-gib", 1, "--batch", 2).stderr
    size = r"([\d.]+) (kB|MB)"
    found, = re.findall(f"states beside them: stores in memory {size}, read ahead about {size}, batches {size}\n", said)
    kept, ahead, batches = (float(number) * {"kB": 1e3, "MB": 1e6}[unit] for number, unit in zip(found[::2], found[1::2]))
    states, hidden = 3, 32
    assert kept == pytest.approx(states * hidden * 2 * (rows["train"].sum() + rows["dev"].sum()), rel=0.01)
    assert 0 < ahead <= kept
    longest = sum(sorted(rows["train"])[-2:])  # in float32
    assert batches == pytest.approx(states * hidden * 4 * longest, rel=0.01)
    # A pooling reads what lies there.
    said = train(study, tmp_path / "disk", "learned_pooling", "--cache-gib", 0).stderr
    assert re.search(f"states beside them: read ahead about {size}\n", said), said


def test_held_out_questions_choose_the_epoch_that_all_scores_are_from(study, tmp_path):
    flags = ["--held-out", 0.3, "--learning-rate", 0.03]
    train(study, tmp_path, "adapter_64_shared", *flags, "--epochs", 6, ranks=2)
    folder = tmp_path / "adapter_64_shared" / "epoch-0" / "lr-0.03-seed-1"
    lines = bv.read_json_lines(folder / "metrics.jsonl")
    values = [line["held_out"]["official"]["f1"] for line in lines]
    best = values.index(max(values))
    metrics, about = bv.read_json(folder / "metrics.json"), bv.read_json(folder / "head.json")
    assert (metrics["head_epochs"], about["epochs"], about["held_out"]) == (best + 1, best + 1, 0.3)
    assert len(lines) == 6 and best < 5, values  # else the last would do
    for scores in ("official", "reference", "held_out", "loss"):
        assert metrics[scores] == lines[best][scores]
    bv.run("bv_eval", "--head", folder, "--store", study / "span-dev.h5", "--output", tmp_path / "evaluation", "--device", "cpu")
    assert bv.read_json(tmp_path / "evaluation" / "metrics.json")["official"] == metrics["official"]
    train(study, tmp_path / "short", "adapter_64_shared", *flags, "--epochs", best + 1, ranks=2)
    short = tmp_path / "short" / "adapter_64_shared" / "epoch-0" / "lr-0.03-seed-1" / "head.safetensors"
    assert short.read_bytes() == (folder / "head.safetensors").read_bytes()


def test_patience_ends_a_head_and_leaves_the_others(study, tmp_path):
    train(study, tmp_path, "learned_pooling,adapter_64_shared", "--held-out", 0.3, "--epochs", 8, "--learning-rate", "1e-12,0.03",
          "--patience", 2)
    lines = {path.parent.name: bv.read_json_lines(path) for path in (tmp_path / "adapter_64_shared").rglob("metrics.jsonl")}
    assert len(lines["lr-1e-12-seed-1"]) == 3
    for own in lines.values():
        values = [line["held_out"]["official"]["f1"] for line in own]
        waited = len(own) - 1 - values.index(max(values))
        assert waited == 2 or (waited < 2 and len(own) == 8)
    # Alike but for its rate, one went on by itself.
    train(study, tmp_path / "alone", "adapter_64_shared", "--held-out", 0.3, "--epochs", 8, "--learning-rate", 0.03, "--patience", 2)
    variant = "epoch-0/lr-0.03-seed-1"
    alone = bv.read_json_lines(tmp_path / "alone" / "adapter_64_shared" / variant / "metrics.jsonl")
    assert [line["loss"] for line in lines["lr-0.03-seed-1"]] == pytest.approx([line["loss"] for line in alone], rel=1e-3)
    assert_close(weights(tmp_path, "adapter_64_shared", variant), weights(tmp_path / "alone", "adapter_64_shared", variant), 1e-3)
    assert "--held-out" in refusal(study, tmp_path / "none", "learned_pooling", "--patience", 2)


def test_all_of_the_questions_give_what_no_share_gives_and_fewer_less(study, tmp_path):
    train(study, tmp_path / "all", "learned_pooling")
    train(study, tmp_path / "shares", "learned_pooling", "--share", "1,0.25,0.5")
    for name in ("head.json", "head.safetensors", "logits.safetensors", "metrics.json"):
        found = [(tmp_path / folder / "learned_pooling" / VARIANT / name).read_bytes() for folder in ("all", "shares")]
        assert found[0] == found[1], name
    with h5py.File(study / "train.h5") as file:
        features = len(file["features/starts"]) - 1
    counts = []
    for share in (0.25, 0.5):
        folder = tmp_path / "shares" / "learned_pooling" / f"{VARIANT}-share-{share}"
        assert bv.read_json(folder / "head.json")["share"] == share
        counts.append(bv.read_json_lines(folder / "metrics.jsonl")[0]["sequences"])
    assert 0 < counts[0] < counts[1] < features  # tests/parity has the very questions
    assert "trained already" in train(study, tmp_path / "shares", "learned_pooling", "--share", "0.5").stderr
    assert "--share 0.001" in refusal(study, tmp_path / "none", "learned_pooling", "--share", "1,0.001", ranks=2)
    assert "--share" in refusal(study, tmp_path / "none", "learned_pooling", "--share", "1.5")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("task", ["span", "classification"])
def test_a_probe_on_every_layer_is_trained_in_one_pass_and_reads_its_state_alone(study, tmp_path, task):
    other = {"span": "learned_pooling", "classification": "tenney_small"}[task]
    probe = f"{task}_probe"
    together = train(study, tmp_path, f"{other},{probe}", "--epochs", 2, task=task)
    assert "passes over the states" not in together.stderr and "(heads: 4)" in together.stderr
    logits = set()
    for layer in range(3):
        folder = tmp_path / probe / f"{VARIANT}-layer-{layer:02}"
        about, metrics = bv.read_json(folder / "head.json"), bv.read_json(folder / "metrics.json")
        assert (about["layers"], about["states"], about["each_layer"]) == ([layer], 1, True)
        assert metrics["parameters"] == 2 * 32 + 2
        output = tmp_path / f"evaluation-{layer}"
        bv.run("bv_eval", "--head", folder, "--store", study / f"{task}-dev.h5", "--output", output, "--device", "cpu")
        key = "official" if task == "span" else "classification"
        assert bv.read_json(output / "metrics.json")[key] == metrics[key]
        logits.add((folder / "logits.safetensors").read_bytes())
    assert len(logits) == 3
    # The probe of one layer reads that layer's bytes alone.
    train(study, tmp_path / "one", probe, "--epochs", 2, "--layers", 1, task=task)
    one, all_of_them = (folder / probe / f"{VARIANT}-layer-01" / "head.safetensors" for folder in (tmp_path / "one", tmp_path))
    assert one.read_bytes() == all_of_them.read_bytes()
    assert [path.name for path in (tmp_path / "one" / probe / "epoch-0").iterdir()] == ["lr-0.001-seed-1-layer-01"]


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
