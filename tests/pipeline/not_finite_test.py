"""Values that are not finite, in checkpoints, states, logits and heads, and weights that a task needs and a folder lacks: each
is named, none is scored, and a head that diverges ends alone."""

import json
import shutil

import bv
import h5py
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForQuestionAnswering

RATE = 1000
VARIANT = f"epoch-0/lr-{RATE}-seed-1"


def deep_head(layers):
    """At a learning rate that does a pooling no harm, the product of so many layers leaves float32's range."""
    linear = "    { type = \"linear\", width = %d },\n"
    return 'task = "span"\nblocks = [\n    { type = "average_pooling" },\n' + layers * (linear % 8) + linear % 2 + "]\n"


@pytest.fixture(scope="module")
def features(tiny_model, corpus, tmp_path_factory):
    """Folder with features of both splits."""
    folder = tmp_path_factory.mktemp("features")
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", tiny_model, "--output", folder / f"{split}.h5")
    return folder


@pytest.fixture(scope="module")
def states(features, tiny_model, tmp_path_factory):
    """Folder with stores of both splits, and a head that diverges."""
    folder = tmp_path_factory.mktemp("states")
    for split in ("train", "dev"):
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features / f"{split}.h5", "--task", "span", "--store",
               folder / f"{split}.h5", "--device", "cpu")
    (folder / "deep.toml").write_text(deep_head(13))
    (folder / "four.toml").write_text(deep_head(4))
    return folder


@pytest.fixture(scope="module")
def tuned(tiny_model, features, tmp_path_factory):
    """A checkpoint of the span task."""
    folder = tmp_path_factory.mktemp("tuned")
    bv.run("bv_finetune", "--model", tiny_model, "--features", features / "train.h5", "--checkpoints", 0, "--output", folder,
           "--device", "cpu")
    return folder / "checkpoints" / "epoch-0"


def train(states, output, heads, *flags, epochs=2, batch=4, ranks=1):
    return bv.run("bv_train", "--store", states / "train.h5", "--dev-store", states / "dev.h5", "--heads", heads, "--batch", batch,
                  "--epochs", epochs, "--output", output, "--device", "cpu", "--threads", 1, *flags, ranks=ranks)


def strict_json(path):
    """A JSON file's content; NaN and infinity are none of JSON's values."""

    def refuse(word):
        raise ValueError(f"{path} holds {word}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def changed(source, folder, change):
    """A copy of a model's folder whose tensors `change` has changed."""
    shutil.copytree(source, folder)
    (folder / "checkpoint.json").unlink(missing_ok=True)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def refusal(program, *args, ranks=1):
    result = bv.run(program, *args, "--device", "cpu", ranks=ranks, check=False)
    lines = bv.error_lines(result.stderr)
    assert result.rc == 2 and len(lines) == 1, result.stderr
    return lines[0]


def full_name(tensors, end):
    (name,) = (name for name in tensors if name.endswith(end))
    return name


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_last_update_that_leaves_infinity_makes_no_checkpoint(tiny_model, features, tmp_path, ranks):
    told = refusal("bv_finetune", "--model", tiny_model, "--features", features / "train.h5", "--checkpoints", 1,
                   "--batch", 1000, "--learning-rate", "1e39", "--output", tmp_path, ranks=ranks)
    assert "the weights are not finite after step" in told
    assert not list(tmp_path.rglob("checkpoint.json"))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_head_that_diverges_ends_and_the_others_get_the_same_bits_as_alone(states, tmp_path, ranks):
    flags = ["--learning-rate", RATE]
    together = train(states, tmp_path / "both", f"{states / 'deep.toml'},learned_pooling", *flags, ranks=ranks)
    assert together.stderr.count("deep, lr 1000, seed 1: diverged") == 1 and "warning" in together.stderr
    train(states, tmp_path / "alone", "learned_pooling", *flags, ranks=ranks)
    for name in ("head.safetensors", "head.json", "logits.safetensors", "questions.safetensors", "metrics.json"):
        both, alone = (tmp_path / folder / "learned_pooling" / VARIANT / name for folder in ("both", "alone"))
        assert bv.content(both) == bv.content(alone), name
    folder = tmp_path / "both" / "deep" / VARIANT
    metrics = strict_json(folder / "metrics.json")
    assert metrics["diverged"]["epoch"] == 1 and metrics["diverged"]["step"] >= 1
    assert "official" not in metrics and "loss" not in metrics
    assert not (folder / "head.json").exists() and not list((folder / "resume").glob("step-*"))
    # The same command has nothing left to do; --force does it again.
    again = train(states, tmp_path / "both", f"{states / 'deep.toml'},learned_pooling", *flags, ranks=ranks)
    assert "has diverged; --force trains it again" in again.stderr and "sequences/s" not in again.stderr
    forced = train(states, tmp_path / "both", str(states / "deep.toml"), *flags, "--force", ranks=ranks)
    assert "deep, lr 1000, seed 1: diverged" in forced.stderr
    assert {**strict_json(folder / "metrics.json"), "made": metrics["made"]} == metrics
    assert "diverged" in refusal("bv_eval", "--head", folder, "--store", states / "dev.h5", "--output", tmp_path / "eval", ranks=ranks)
    assert not (tmp_path / "eval").exists()


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_of_heads_alike_one_that_diverges_changes_no_other(states, tmp_path, ranks):
    head = str(states / "four.toml")
    train(states, tmp_path / "all", head, "--learning-rate", "1e-3,1e9,3e-3", ranks=ranks)
    (diverged,) = (tmp_path / "all" / "four" / "epoch-0").glob("lr-1*-seed-1")
    assert "diverged" in strict_json(diverged / "metrics.json")
    for rate in (0.001, 0.003):
        train(states, tmp_path / "alone", head, "--learning-rate", rate, ranks=ranks)
        both, alone = (tmp_path / folder / "four" / "epoch-0" / f"lr-{rate}-seed-1" for folder in ("all", "alone"))
        losses = [[line["loss"] for line in bv.read_json_lines(folder / "metrics.jsonl")] for folder in (both, alone)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        ours, theirs = (load_file(folder / "head.safetensors") for folder in (both, alone))
        for name, value in ours.items():
            if not name.endswith("bias"):  # of linear layers alone, a softmax over tokens is blind to all of them
                assert (value - theirs[name]).norm() <= 1e-3 * theirs[name].norm(), name


def test_a_head_that_diverges_after_its_best_epoch_keeps_that(states, tmp_path):
    """The deep head leaves float32's range after a few steps, and an epoch is one step here."""
    train(states, tmp_path, str(states / "deep.toml"), "--learning-rate", "320,350,380,400,420,600", "--held-out", 0.3, epochs=8, batch=1000)
    late = 0
    for folder in (tmp_path / "deep" / "epoch-0").iterdir():
        metrics, lines = strict_json(folder / "metrics.json"), bv.read_json_lines(folder / "metrics.jsonl")
        if "diverged" not in metrics:
            continue
        assert len(lines) == metrics["diverged"]["epoch"] - 1
        assert (folder / "head.json").exists() == ("official" in metrics) == bool(lines)
        if lines:
            late += 1
            best = lines[metrics["head_epochs"] - 1]
            assert metrics["official"] == best["official"]
            output = tmp_path / "evaluations" / folder.name
            bv.run("bv_eval", "--head", folder, "--store", states / "dev.h5", "--output", output, "--device", "cpu")
            assert bv.read_json(output / "metrics.json")["official"] == best["official"]
    assert late


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_checkpoint_with_a_value_that_is_not_finite_is_refused_by_its_tensor(tuned, features, tmp_path, ranks, value):
    end = "encoder.layer.1.output.dense.weight"

    def change(tensors):
        tensors[full_name(tensors, end)][3, 5] = value

    broken = changed(tuned, tmp_path / "broken", change)
    dev = features / "dev.h5"
    for program, *flags in (
        ("bv_eval", "--checkpoint", broken, "--task", "span", "--features", dev, "--output", tmp_path / "out"),
        ("bv_extract", "--checkpoint", broken, "--task", "span", "--features", dev, "--store", tmp_path / "out"),
        ("bv_train", "--checkpoint", broken, "--features", dev, "--dev-features", dev, "--heads", "learned_pooling", "--output",
         tmp_path / "out"),
        ("bv_finetune", "--model", broken, "--features", dev, "--checkpoints", "1", "--output", tmp_path / "out"),
    ):
        line = refusal(program, *flags, ranks=ranks)
        assert str(broken / "model.safetensors") in line and end in line, line
        assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def too_large(tuned, features, tmp_path_factory):
    """(folder, ids): a checkpoint whose weights are finite, and the questions of which its states are not."""
    with h5py.File(features / "dev.h5") as file:
        table = file["features"]
        starts, ids, of = table["starts"][:], table["ids"][:], table["question_of"][:]
        text, ends = table["questions/id/bytes"][:].tobytes(), table["questions/id/starts"][:]
    questions = [text[begin:end].decode() for begin, end in zip(ends, ends[1:])]
    word = min(set(ids), key=lambda word: (abs((ids == word).sum() - 1), word))
    marked = [questions[of[f]] for f in range(len(starts) - 1) if word in ids[starts[f] : starts[f + 1]]]

    def change(tensors):
        # LayerNorm's mean and deviation of these are not finite.
        table = tensors[full_name(tensors, "word_embeddings.weight")]
        table[word] = torch.tensor([3e38, -3e38]).repeat(table.shape[1] // 2)

    return changed(tuned, tmp_path_factory.mktemp("large") / "model", change), marked


def test_states_and_logits_that_are_not_finite_are_refused_by_the_first_question(too_large, features, tmp_path):
    folder, marked = too_large
    dev = features / "dev.h5"
    for dtype in ("float16", "bfloat16", "float32", "float8"):
        line = refusal("bv_extract", "--checkpoint", folder, "--task", "span", "--features", dev, "--store", tmp_path / dtype,
                       "--dtype", dtype)
        assert any(f"question {one}:" in line for one in marked) and "float32" in line and "--dtype" not in line, line
    line = refusal("bv_train", "--checkpoint", folder, "--features", dev, "--dev-features", dev, "--heads", "learned_pooling",
                   "--output", tmp_path / "heads")
    assert any(f"question {one}:" in line for one in marked), line
    line = refusal("bv_eval", "--checkpoint", folder, "--task", "span", "--features", dev, "--output", tmp_path / "out", ranks=2)
    assert f"question {marked[0]} " in line and str(folder) in line, line
    assert not (tmp_path / "out").exists()


def test_states_beyond_the_range_of_a_type_are_told_from_those(tuned, features, tmp_path):
    def change(tensors):
        tensors[full_name(tensors, "encoder.layer.1.output.LayerNorm.weight")] *= 1e6

    folder = changed(tuned, tmp_path / "large", change)
    flags = ["--checkpoint", folder, "--task", "span", "--features", features / "dev.h5"]
    line = refusal("bv_extract", *flags, "--store", tmp_path / "half.h5")
    assert "leaves the range of float16; use --dtype float8, bfloat16 or float32" in line and "question " in line
    for dtype in ("bfloat16", "float8"):
        bv.run("bv_extract", *flags, "--store", tmp_path / f"{dtype}.h5", "--dtype", dtype, "--device", "cpu")


@pytest.mark.parametrize("task", ["span", "classification"])
def test_logits_files_with_a_value_that_is_not_finite_are_not_scored(task, features, tmp_path):
    dev = features / "dev.h5"
    with h5py.File(dev) as file:
        starts, of = file["features/starts"][:], file["features/question_of"][:]
        ids, ends = file["features/questions/id/bytes"][:].tobytes(), file["features/questions/id/starts"][:]
    feature = len(of) // 2
    if task == "span":
        values = {"start": torch.zeros(starts[-1]), "end": torch.zeros(starts[-1])}
        values["end"][starts[feature + 1] - 1] = float("nan")
    else:
        values = {"logits": torch.zeros(len(of), 2)}
        values["logits"][feature, 1] = float("inf")
    sound = {name: torch.zeros_like(value) for name, value in values.items()}
    # The fingerprint of the features, as a message names it.
    save_file(sound, tmp_path / "sound.safetensors", metadata={"task": task, "features": "none"})
    fingerprint = refusal("bv_eval", "--logits", tmp_path / "sound.safetensors", "--features", dev, "--output", tmp_path / "out")
    fingerprint = fingerprint.rpartition("(")[2].removesuffix(")")
    for name, tensors in (("sound", sound), ("broken", values)):
        save_file(tensors, tmp_path / f"{name}.safetensors", metadata={"task": task, "features": fingerprint})
    both = f"{tmp_path / 'sound.safetensors'},{tmp_path / 'broken.safetensors'}"
    line = refusal("bv_eval", "--logits", both, "--features", dev, "--output", tmp_path / "out")
    question = ids[ends[of[feature]] : ends[of[feature] + 1]].decode()
    assert f"question {question} " in line and str(tmp_path / "broken.safetensors") in line
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def without_pooler(tiny_model, tmp_path_factory):
    """A folder of transformers' model for question answering, which has no pooler."""
    folder = tmp_path_factory.mktemp("answering") / "model"
    torch.manual_seed(1)
    BertForQuestionAnswering(BertConfig.from_pretrained(tiny_model)).save_pretrained(folder)
    shutil.copy(tiny_model / "vocab.txt", folder)
    return folder


@pytest.mark.parametrize("ranks", [1, 2])
def test_weights_that_a_task_needs_and_a_folder_lacks_are_named(tiny_model, without_pooler, features, tmp_path, ranks):
    dev, out = features / "dev.h5", tmp_path / "out"
    for folder, task, missing in ((tiny_model, "span", "qa_outputs.weight, qa_outputs.bias"),
                                  (without_pooler, "classification", "pooler.dense.weight, pooler.dense.bias"),
                                  (tiny_model, "classification", "classifier.weight, classifier.bias")):
        line = refusal("bv_eval", "--checkpoint", folder, "--task", task, "--features", dev, "--output", out, ranks=ranks)
        assert f"{folder}: holds no {missing}" in line and f"bv_finetune --task {task}" in line
    pooler = "pooler.dense.weight, pooler.dense.bias"
    assert pooler in refusal("bv_extract", "--checkpoint", without_pooler, "--task", "classification", "--features", dev, "--store", out,
                             ranks=ranks)
    assert pooler in refusal("bv_train", "--checkpoint", without_pooler, "--features", dev, "--dev-features", dev, "--heads",
                             "tenney_small", "--output", out, ranks=ranks)
    assert not out.exists()
    bv.run("bv_extract", "--checkpoint", without_pooler, "--task", "span", "--features", dev, "--store", tmp_path / "span.h5",
           "--device", "cpu", ranks=ranks)


def test_fine_tuning_names_what_is_new_in_one_line(without_pooler, features, tmp_path):
    def tune(name, model, task):
        flags = ["--features", features / "train.h5", "--checkpoints", 0, "--device", "cpu"]
        done = bv.run("bv_finetune", "--model", model, "--task", task, *flags, "--output", tmp_path / name, ranks=2)
        return [line for line in done.stderr.splitlines() if "newly initialised" in line]

    (line,) = tune("class", without_pooler, "classification")
    assert line.endswith("pooler.dense.weight, pooler.dense.bias, classifier.weight, classifier.bias")
    assert tune("span", without_pooler, "span") == []
    # A pooler that nothing trained is not handed on as if it were one.
    checkpoint = tmp_path / "span" / "checkpoints" / "epoch-0"
    assert not any("pooler" in name for name in load_file(checkpoint / "model.safetensors"))
    (line,) = tune("again", checkpoint, "classification")
    assert "pooler.dense.weight" in line
