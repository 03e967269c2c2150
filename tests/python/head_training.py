"""Stores of a small corpus, and bv_train on them."""

import bv
from safetensors.torch import load_file

VARIANT = "epoch-0/lr-0.001-seed-1"


def make_study(folder, model, corpus):
    """Writes features and float16 stores of both tasks and splits into the folder, and returns it."""
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", model, "--output", folder / f"{split}.h5")
        for task in ("span", "classification"):
            bv.run("bv_extract", "--checkpoint", model, "--features", folder / f"{split}.h5", "--task", task, "--store",
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
        assert (value - theirs[name]).norm() <= tolerance * theirs[name].norm(), (name, float((value - theirs[name]).norm() / theirs[name].norm()))
