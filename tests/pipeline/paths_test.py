"""Paths that cannot be looked at or written down, and outputs that would replace an input, a link or a device: every program
refuses each with one line that names it, exit code 2."""

import os
import shutil
import subprocess

import bv
import pytest

COMPUTE = ["--device", "cpu", "--threads", 1]
# By program: the flag of its output file, and an input file whose place the output would take.
OUTPUTS = {
    "bv_prepare": ("--output", "--squad"),
    "bv_extract": ("--store", "--features"),
    "bv_eval --head": ("--pooled", "--store"),
    "bv_store": ("--output", "store"),
    "bv_plan": ("--output", "--features"),
}
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


def error_of(command):
    """The one error line of a command with exit code 2."""
    command = [word if isinstance(word, bytes) else str(word) for word in command]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    text = process.stderr.decode(errors="replace")
    errors = bv.error_lines(text)
    assert process.returncode == 2 and len(errors) == 1 and "failure:" not in text, f"{command}: {process.returncode} {text}"
    return errors[0]


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
    return error_of([bv.BIN / program, *words, *compute])


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


@pytest.mark.parametrize("line", OUTPUTS)
def test_an_output_takes_the_place_of_no_input_and_of_no_special_file(line, commands, tmp_path):
    output, source = OUTPUTS[line]
    flags = dict(commands[line])
    place = tmp_path / "input"
    shutil.copy(commands["bv_eval --head"]["--store"] if source == "store" else flags.pop(source), place)
    before = bv.digest(place)
    words = [word for pair in flags.items() for word in pair]
    words += ["export", place] if source == "store" else [source, place]
    (tmp_path / "again").hardlink_to(place)
    (tmp_path / "link").symlink_to("absent")
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("input", f"{source} and {output} name the same file"), ("again", f"{source} and {output} name the same file"),
                      ("link", "is a symbolic link"), ("pipe", "is no regular file")):
        error = error_of([bv.BIN / line.split()[0], *words, output, tmp_path / name, "--force"])
        assert why in error and str(tmp_path / name) in error
    assert bv.digest(place) == before and (tmp_path / "link").is_symlink() and (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "input", "link", "pipe"]


def test_what_is_written_beside_an_output_replaces_no_input(commands, tmp_path):
    study = tmp_path / "study.toml"
    text = "[study]\nseeds = [1]\n[extract]\nthreads = 1\n"
    study.write_text(text)
    flags = [word for pair in commands["bv_extract"].items() for word in pair]
    assert f"--config names {study}, which is written beside --store {tmp_path}/study" in error_of(
        [bv.BIN / "bv_extract", "--config", study, *flags, "--store", tmp_path / "study"])
    assert study.read_text() == text and [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_results_of_another_program_are_not_replaced_with_force(commands, tiny_model, tmp_path):
    head, store = (commands["bv_eval --head"][flag] for flag in ("--head", "--store"))
    before = {path: bv.digest(path) for path in head.iterdir() if path.is_file()}
    assert f"--output {head} is the folder of a trained head" in error_of(
        [bv.BIN / "bv_eval", "--head", head, "--store", store, "--output", head, "--force"])
    assert {path: bv.digest(path) for path in head.iterdir() if path.is_file()} == before
    shutil.copytree(tiny_model, tmp_path / "checkpoints" / "epoch-1")
    error = error_of([bv.BIN / "bv_finetune", "--model", tmp_path / "checkpoints" / "epoch-1", "--features",
                      commands["bv_finetune"]["--features"], "--task", "span", "--output", tmp_path, "--force"])
    assert f"lies in --output {tmp_path}" in error and (tmp_path / "checkpoints/epoch-1/config.json").exists()
    evaluation = tmp_path / "evaluation"
    flags = [bv.BIN / "bv_eval", "--head", head, "--store", store, "--output", evaluation]
    bv.run_command(flags)
    scores = bv.digest(evaluation / "metrics.json")
    assert "--threshold-from and --output" in error_of([*flags, "--threshold-from", evaluation, "--force"])
    assert bv.digest(evaluation / "metrics.json") == scores
