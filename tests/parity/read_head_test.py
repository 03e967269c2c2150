"""tools/read_head.py and bv_eval read the same head from the files of bv_train, whatever its blocks."""

import re
import sys

import bv
import numpy as np
import pytest
import torch
from safetensors import safe_open

sys.path.insert(0, str(bv.SOURCE / "tools"))
from read_head import Head

BLOCKS = """\
    { type = "conv", filters = 4, kernel = 3, %s bias = false },
    { type = "batch_norm" },
    { type = "relu" },
    { type = "residual", blocks = [{ type = "separable_conv", filters = 4, kernel = 3, dilation = 2 }, { type = "gelu" }] },
    { type = "repeat", times = 2, blocks = [{ type = "pool", of = "max", kernel = 3, stride = 2 }] },
    { type = "branches", of = [
        [{ type = "learned_pooling" }],
        [{ type = "average_pooling" }, { type = "adapter", width = 6 }],
        [{ type = "adapter", width = 5, shared = false }, { type = "flatten" }],
        [{ type = "global_average_pool" }],
    ] },
    { type = "branches", of = [
        [{ type = "unflatten", channels = 2 }, { type = "relu" }],
        [{ type = "unflatten", channels = 2 }, { type = "pool" }],
    ] },
    { type = "flatten" },
    { type = "skip" },
    { type = "dropout", rate = 0.1 },
    { type = "batch_norm" },
    { type = "linear", width = 2 },
"""


PROBES = 'task = "%s"\neach_layer = true\nblocks = [{ type = "flatten" }, { type = "linear", width = 2 }]\n'


def test_the_head_here_has_every_type_of_block():
    readme = (bv.SOURCE / "src" / "heads" / "FORMAT.md").read_text()
    names = {name for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|.*\|.*\|.*\|.*\|$", readme, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert {"learned_pooling", "gelu", "branches"} <= names
    assert names == set(re.findall(r'type = "(\w+)"', BLOCKS))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_head_takes_numpy_arrays_as_well_as_tensors(dtype):
    tensors = {"1.linear.weight": torch.randn(2, 3 * 8), "1.linear.bias": torch.randn(2)}
    head = Head('blocks = [{ type = "flatten" }, { type = "linear", width = 2 }]', tensors)
    states = np.random.default_rng(1).standard_normal((3, 5, 8)).astype(dtype)
    expected = head(torch.from_numpy(states.astype(np.float32)))
    assert expected.shape == (5, 2)
    assert torch.equal(head(states), expected)
    assert torch.equal(head(states, np.array([0, 2, 5])), expected)


@pytest.mark.parametrize("task, layers, each", [("span", "0,2", False), ("classification", "all", False), ("span", "0,2", True),
                                                ("classification", "all", True)])
def test_bv_eval_and_python_compute_the_same_logits(task, layers, each, tiny_model, corpus, tmp_path):
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", tiny_model, "--output", tmp_path / "dev.h5")
    store = tmp_path / "states.h5"
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", tmp_path / "dev.h5", "--task", task, "--store", store,
           "--layers", "0,2" if layers == "0,2" else "all")
    blocks = BLOCKS % ("tokens = 3," if task == "span" else "")
    (tmp_path / "mine.toml").write_text(PROBES % task if each else f'task = "{task}"\nblocks = [\n{blocks}]\n')
    bv.run("bv_train", "--store", store, "--dev-store", store, "--heads", tmp_path / "mine.toml", "--output", tmp_path, "--batch", 4,
           "--epochs", 2, "--learning-rate", 1e-2, "--device", "cpu")
    (head,) = (tmp_path / "mine").glob("epoch-*/lr-*" + ("-layer-02" if each else ""))
    bv.run("bv_eval", "--head", head, "--store", store, "--output", tmp_path / "evaluation", "--device", "cpu")
    bv.run_tool("read_head.py", head, "--store", store, "--output", tmp_path / "python.safetensors")
    with safe_open(tmp_path / "evaluation" / "logits.safetensors", "pt") as ours, safe_open(tmp_path / "python.safetensors", "pt") as theirs:
        # Ours names the fingerprint of its numbers beside them, which Python does not.
        assert {**theirs.metadata(), "data": ours.metadata()["data"]} == ours.metadata()
        assert set(ours.keys()) == set(theirs.keys())
        for name in ours.keys():  # noqa: SIM118  (it is no dict)
            found, expected = ours.get_tensor(name), theirs.get_tensor(name)
            assert found.std() > 1e-3
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5), name
    # What Python computed can be scored.
    bv.run("bv_eval", "--logits", tmp_path / "python.safetensors", "--features", tmp_path / "dev.h5", "--output", tmp_path / "scored")
    key = "official" if task == "span" else "classification"
    # But for thresholds, which are differences of logits, they are the same.
    assert bv.read_json(tmp_path / "scored" / "metrics.json")[key] == pytest.approx(bv.read_json(head / "metrics.json")[key], rel=1e-4)
