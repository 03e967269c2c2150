"""Paths that cannot be looked at or written down: every program refuses each with one line that names it, exit code 2."""

import os
import subprocess

import bv
import pytest

COMPUTE = ["--device", "cpu", "--threads", 1]
LONG = 300 * "x"
# By program: each path that it takes, beside which all others are right.
PATHS = {
    "bv_prepare": ["--squad", "--model", "--output"],
    "bv_finetune": ["--model", "--features", "--eval-features", "--output"],
    "bv_extract": ["--checkpoint", "--features", "--store"],
    "bv_train": ["--store", "--dev-store", "--output"],
    "bv_eval": ["--checkpoint", "--features", "--output"],
    "bv_eval --head": ["--head", "--store"],
    "bv_eval --logits": ["--logits"],
    "bv_eval --predictions": ["--predictions", "--squad"],
    "bv_store": ["store"],
    "bv_plan": ["--config", "--model", "--output", "--features"],
}


@pytest.fixture(scope="module")
def commands(corpus, tiny_model, tmp_path_factory):
    """By program: flags that are right, those of paths in the order of PATHS."""
    folder = tmp_path_factory.mktemp("inputs")
    features, store = folder / "features.h5", folder / "store.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", tiny_model, "--output", features)
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", "span", *COMPUTE, "--store", store)
    bv.run("bv_train", "--store", store, "--dev-store", store, "--heads", "learned_pooling", *COMPUTE, "--output", folder / "heads")
    head, = (path.parent for path in folder.rglob("head.json"))
    return {
        "bv_prepare": {"--squad": corpus / "dev.json", "--model": tiny_model},
        "bv_finetune": {"--model": tiny_model, "--features": features, "--eval-features": features, "--checkpoints": 0},
        "bv_extract": {"--checkpoint": tiny_model, "--features": features, "--task": "span"},
        "bv_train": {"--store": store, "--dev-store": store, "--heads": "learned_pooling"},
        "bv_eval": {"--checkpoint": tiny_model, "--features": features, "--task": "span"},
        "bv_eval --head": {"--head": head, "--store": store},
        "bv_eval --logits": {"--logits": folder, "--features": features},
        "bv_eval --predictions": {"--predictions": folder / "none.json", "--squad": corpus / "dev.json"},
        "bv_store": {},
        "bv_plan": {"--config": bv.SOURCE / "configs" / "debug.toml", "--model": tiny_model, "--features": features,
                    "--dev-features": features},
    }


def refusal(line, path, commands, place, output):
    program, flags = line.split()[0], dict(commands[line])
    if line not in ("bv_store", "bv_plan", "bv_extract", "bv_eval --predictions"):
        flags["--output"] = output / "out"
    if line == "bv_extract":
        flags["--store"] = output / "out.h5"
    if path == "store":
        words = ["verify", os.fsencode(place)]
    else:
        flags[path] = os.fsencode(place)
        words = [word for pair in flags.items() for word in pair]
    compute = [] if program == "bv_prepare" else ["--device", "cpu"]
    command = [word if isinstance(word, bytes) else str(word) for word in (bv.BIN / program, *words, *compute)]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    text = process.stderr.decode(errors="replace")
    errors = bv.error_lines(text)
    assert process.returncode == 2 and len(errors) == 1 and "failure:" not in text, f"{line} {path}: {process.returncode} {text}"
    return errors[0]


@pytest.mark.parametrize("line", PATHS)
def test_a_path_that_cannot_be_looked_at_is_named(line, commands, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for path in PATHS[line]:
        for name in (LONG, "file/below"):  # where a folder cannot be made, it is named
            assert str(tmp_path / name) in refusal(line, path, commands, tmp_path / name, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("line", PATHS)
def test_a_path_that_is_no_utf8_is_refused_at_once(line, commands, tmp_path):
    error = refusal(line, PATHS[line][-1], commands, f"{tmp_path}/caf\udcff", tmp_path)
    assert f"{tmp_path}/caf\ufffd" in error and "UTF-8" in error
    assert not list(tmp_path.iterdir())
