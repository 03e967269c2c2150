"""bv_train of many heads at once: rates and seeds, memory, held-out questions, shares of the questions, shuffled labels, layers."""

import re

import bv
import h5py
import numpy as np
import pytest
import torch
from head_training import VARIANT, assert_close, make_study, refusal, train, weights
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_model, corpus):
    return make_study(tmp_path_factory.mktemp("study"), tiny_model, corpus)


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
        r"heads: 3, groups of similar heads: 1, memory: ([\d.]+) MB \(([\d.]+) MB kept, ([\d.]+) MB during", whole.stderr)
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
    def limited(name, megabytes):
        return train(study, tmp_path / name, "adapter_386_unshared", *flags,
                                                "--memory-gib", megabytes * 1e6 / 2**30).stderr
    # First heads take their steps in turn, then some wait for a pass of their own.
    turns = limited("turns", float(size) * 0.95)
    assert "heads: 3, groups of similar heads: 2," in turns and "passes" not in turns
    assert "heads: 3, in 2 passes over the states" in limited("split", 1.05 * (float(kept) * 2 + float(working)) / 3)
    for seed in (1, 2, 3):
        one, *others = (weights(tmp_path / folder, "adapter_386_unshared", f"epoch-0/lr-0.001-seed-{seed}")
                        for folder in ("whole", "turns", "split"))
        for other in others:
            assert_close(one, other, 1e-4)  # groups of other sizes round in their own ways, over hundreds of steps
    refused = refusal(study, tmp_path / "none", "adapter_64_shared", "--memory-gib", 1e-5, ranks=2)
    assert "adapter_64_shared, lr 0.001, seed 1 needs" in refused and "--memory-gib" in refused
    assert not (tmp_path / "none").exists()


def test_what_states_take_of_memory_is_said_first(study, tmp_path):
    rows = {}
    for split in ("train", "dev"):
        with h5py.File(study / f"{split}.h5") as file:
            rows[split] = np.diff(file["features/starts"][:])
    said = train(study, tmp_path / "memory", "adapter_64_shared", "--cache-gib", 1, "--batch", 2).stderr
    size = r"([\d.]+) (kB|MB)"
    found, = re.findall(f"memory of states, in addition: stores in memory {size}, read ahead about {size}, batches {size}\n", said)
    kept, ahead, batches = (float(number) * {"kB": 1e3, "MB": 1e6}[unit] for number, unit in zip(found[::2], found[1::2]))
    states, hidden = 3, 32
    assert kept == pytest.approx(states * hidden * 2 * (rows["train"].sum() + rows["dev"].sum()), rel=0.01)
    assert 0 < ahead <= kept
    longest = sum(sorted(rows["train"])[-2:])  # in float32
    assert batches == pytest.approx(states * hidden * 4 * longest, rel=0.01)
    # A pooling reads what lies there.
    said = train(study, tmp_path / "disk", "learned_pooling", "--cache-gib", 0).stderr
    assert re.search(f"memory of states, in addition: read ahead about {size}\n", said), said


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


def test_held_out_questions_can_have_a_store_of_their_own(study, corpus, tiny_model, tmp_path):
    held = {"--held-out-features": tmp_path / "held.h5", "--held-out-store": tmp_path / "span-held.h5"}
    questions = re.sub('"id": "', '"id": "held-', (corpus / "dev.json").read_text())
    (tmp_path / "held.json").write_text(questions)
    bv.run("bv_prepare", "--squad", tmp_path / "held.json", "--model", tiny_model, "--limit", 6, "--output", tmp_path / "held.h5")
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", tiny_model, "--limit", 6, "--output", tmp_path / "part.h5")
    for task in ("span", "classification"):
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", tmp_path / "held.h5", "--task", task, "--store",
               tmp_path / f"{task}-held.h5")
    flags = ["--learning-rate", 0.03, "--epochs", 3]
    train(study, tmp_path / "plain", "adapter_64_shared", *flags)
    train(study, tmp_path / "held", "adapter_64_shared", *flags, "--held-out-store", held["--held-out-store"])
    folder = tmp_path / "held" / "adapter_64_shared" / "epoch-0" / "lr-0.03-seed-1"
    lines, metrics = bv.read_json_lines(folder / "metrics.jsonl"), bv.read_json(folder / "metrics.json")
    values = [line["held_out"]["official"]["f1"] for line in lines]
    assert metrics["head_epochs"] == values.index(max(values)) + 1 and metrics["held_out"]["official"]["total"] == 6
    # All training questions are trained on, as without held-out questions.
    plain = bv.read_json_lines(tmp_path / "plain" / "adapter_64_shared" / "epoch-0" / "lr-0.03-seed-1" / "metrics.jsonl")
    assert [line["loss"] for line in lines] == [line["loss"] for line in plain]
    # The scores are those that bv_eval gives this head on these questions.
    bv.run("bv_eval", "--head", folder, "--store", held["--held-out-store"], "--output", tmp_path / "evaluation", "--device", "cpu")
    assert bv.read_json(tmp_path / "evaluation" / "metrics.json")["official"] == metrics["held_out"]["official"]
    features = bv.read_json(tmp_path / "evaluation" / "metrics.json")["features"]["fingerprint"]
    assert metrics["held_out_features"]["fingerprint"] == bv.read_json(folder / "head.json")["held_out_features"] == features
    line = bv.run("bv_eval", "--head", folder, "--store", held["--held-out-store"], "--threshold-from", folder, "--output",
                  tmp_path / "own", "--device", "cpu", check=False)
    assert line.rc == 2 and "this evaluation used the questions that you score now" in line.stderr
    assert metrics["held_out_store"]["path"] == str(held["--held-out-store"])
    for wrong, words in ((["--held-out", 0.3, "--held-out-store", held["--held-out-store"]], "--held-out and --held-out-store are given"),
                         (["--held-out-store", study / "span-dev.h5"], "span-dev.h5 both have the question"),
                         (["--held-out-store", tmp_path / "classification-held.h5"], "holds states for classification"),
                         (["--held-out-features", held["--held-out-features"]], "states come either from")):
        assert words in refusal(study, tmp_path / "none", "adapter_64_shared", *wrong), wrong
    computed = ["bv_train", "--checkpoint", tiny_model, "--features", study / "train.h5", "--dev-features", study / "dev.h5", "--heads",
                "adapter_64_shared", "--output", tmp_path / "computed", "--device", "cpu", *flags, "--held-out-features"]
    shared = bv.run(*computed, tmp_path / "part.h5", check=False)
    assert shared.rc == 2 and re.search(r"part\.h5 .*and .*train\.h5 .*both have the question", shared.stderr), shared.stderr
    bv.run("bv_prepare", "--squad", tmp_path / "held.json", "--model", tiny_model, "--stride", 64, "--output", tmp_path / "other.h5")
    other = bv.run(*computed, tmp_path / "other.h5", check=False)
    assert other.rc == 2 and re.search(r"other\.h5.* have stride 64, the features of .*dev\.h5.* have 128; ", other.stderr), other.stderr
    bv.run(*computed, held["--held-out-features"])
    # A head that was chosen by held-out questions is none of a run without them.
    less = bv.run(*computed[:-1], check=False)
    assert less.rc == 2 and re.search(f'belongs to another run: .*held_out_features "{features}" there, null here', less.stderr), less.stderr
    (again,) = (tmp_path / "computed").rglob("metrics.json")
    assert bv.read_json(again)["held_out_features"] == {"path": str(held["--held-out-features"]), "fingerprint": features}


def test_patience_ends_a_head_and_leaves_the_others(study, tmp_path):
    train(study, tmp_path, "learned_pooling,adapter_64_shared", "--held-out", 0.3, "--epochs", 8, "--learning-rate", "1e-12,0.03",
          "--patience", 2)
    lines = {path.parent.name: bv.read_json_lines(path) for path in (tmp_path / "adapter_64_shared").rglob("metrics.jsonl")}
    assert len(lines["lr-1e-12-seed-1"]) == 3
    for own in lines.values():
        values = [line["held_out"]["official"]["f1"] for line in own]
        waited = len(own) - 1 - values.index(max(values))
        assert waited == 2 or (waited < 2 and len(own) == 8)
    # It differs from the others only in its rate, and went on by itself.
    train(study, tmp_path / "alone", "adapter_64_shared", "--held-out", 0.3, "--epochs", 8, "--learning-rate", 0.03, "--patience", 2)
    variant = "epoch-0/lr-0.03-seed-1"
    alone = bv.read_json_lines(tmp_path / "alone" / "adapter_64_shared" / variant / "metrics.jsonl")
    assert [line["loss"] for line in lines["lr-0.03-seed-1"]] == pytest.approx([line["loss"] for line in alone], rel=1e-3)
    assert_close(weights(tmp_path, "adapter_64_shared", variant), weights(tmp_path / "alone", "adapter_64_shared", variant), 1e-3)
    assert "--held-out" in refusal(study, tmp_path / "none", "learned_pooling", "--patience", 2)


def test_all_of_the_questions_give_what_no_share_gives_and_fewer_less(study, tmp_path):
    train(study, tmp_path / "all", "learned_pooling")
    train(study, tmp_path / "shares", "learned_pooling", "--share", "1,0.25,0.5")
    for name in ("head.json", "head.safetensors", "logits.safetensors", "questions.safetensors", "metrics.json"):
        found = [bv.content(tmp_path / folder / "learned_pooling" / VARIANT / name) for folder in ("all", "shares")]
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
def test_shuffled_labels_train_a_control_that_is_scored_on_the_true_ones(study, tmp_path, task):
    name = {"span": "learned_pooling", "classification": "tenney_small"}[task]
    flags = ["--held-out", 0.3, "--share", "0.5"]
    plain = f"{VARIANT}-share-0.5"
    control = f"{plain}-shuffled-labels"
    train(study, tmp_path, name, *flags, task=task)
    said = train(study, tmp_path, name, *flags, "--shuffle-labels", task=task).stderr
    assert f"{name}, lr 0.001, seed 1, share 0.5, shuffled labels, epoch 1" in said
    for folder, shuffled in ((tmp_path / name / plain, False), (tmp_path / name / control, True)):
        assert bv.read_json(folder / "head.json")["shuffled_labels"] is shuffled
        assert bv.read_json(folder / "metrics.json")["shuffled_labels"] is shuffled
        assert bv.read_json(folder / "resume" / "recipe.json").get("shuffled_labels", False) is shuffled
    own, others = (bv.read_json_lines(tmp_path / name / place / "metrics.jsonl")[0] for place in (plain, control))
    assert own["loss"] != others["loss"] and own["sequences"] == others["sequences"]
    bv.run("bv_eval", "--head", tmp_path / name / control, "--store", study / f"{task}-dev.h5", "--output", tmp_path / "evaluation",
           "--device", "cpu")
    key = {"span": "official", "classification": "classification"}[task]
    scores = bv.read_json(tmp_path / name / control / "metrics.json")
    assert bv.read_json(tmp_path / "evaluation" / "metrics.json")[key] == scores[key]
    # Any number of ranks shuffles alike.
    train(study, tmp_path / "two", name, *flags, "--shuffle-labels", task=task, ranks=2)
    assert_close(weights(tmp_path, name, control), weights(tmp_path / "two", name, control), 1e-3, task=task)
    assert "trained already" in train(study, tmp_path, name, *flags, "--shuffle-labels", task=task).stderr


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


@pytest.mark.parametrize("task", ["span", "classification"])
def test_a_probe_is_scored_on_its_own_layer_where_other_stores_hold_more_layers(study, corpus, tiny_model, tmp_path, task):
    (tmp_path / "held.json").write_text(re.sub('"id": "', '"id": "held-', (corpus / "dev.json").read_text()))
    bv.run("bv_prepare", "--squad", tmp_path / "held.json", "--model", tiny_model, "--limit", 6, "--output", tmp_path / "held.h5")
    held, few = tmp_path / "held-store.h5", tmp_path / f"{task}-train.h5"
    for features, store, flags in ((tmp_path / "held.h5", held, []), (study / "train.h5", few, ["--layers", "1,2"])):
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", task, "--store", store, *flags)
    train(tmp_path, tmp_path / "heads", f"{task}_probe", "--epochs", 2, "--held-out-store", held, task=task,
          dev_store=study / f"{task}-dev.h5")
    key = {"span": "official", "classification": "classification"}[task]
    for layer in (1, 2):
        folder = tmp_path / "heads" / f"{task}_probe" / f"{VARIANT}-layer-{layer:02}"
        metrics = bv.read_json(folder / "metrics.json")
        for store, scores in ((study / f"{task}-dev.h5", metrics), (held, metrics["held_out"])):
            output = tmp_path / f"{store.stem}-{layer}"
            bv.run("bv_eval", "--head", folder, "--store", store, "--output", output, "--device", "cpu")
            assert bv.read_json(output / "metrics.json")[key] == scores[key], (layer, store)
        logits = [load_file(place / "logits.safetensors") for place in (folder, tmp_path / f"{task}-dev-{layer}")]
        assert logits[0].keys() == logits[1].keys() and all(torch.equal(value, logits[1][name]) for name, value in logits[0].items())
