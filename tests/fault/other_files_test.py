"""Ranks whose files or flags differ from those of rank 0, as where one host has an old copy: refused before any work."""

import json
import shutil

import bv
import pytest
from transformers import BertConfig, BertForQuestionAnswering

COMPUTE = ["--device", "cpu", "--threads", 1]


@pytest.fixture(scope="module")
def inputs(corpus, model, tiny_model, tmp_path_factory):
    """Two folders as of two hosts: the same names, but features of other windows, a store of each, and another head. A model of both."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, tokens in (("own", 96), ("other", 90)):
        features, store = folder / name / "own.h5", folder / name / "own.store"
        features.parent.mkdir()
        bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", tokens, "--stride", 16, "--output", features)
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", "span", *COMPUTE, "--store", store)
        heads = folder / name / "heads"
        bv.run("bv_train", "--store", store, "--dev-store", store, "--heads", "span_probe", "--epochs", 1, "--output", heads, *COMPUTE)
        shutil.copytree(next(heads.rglob("head.json")).parent, folder / name / "head")
    shutil.copy(folder / "own" / "own.store", folder / "own" / "same.store")
    shutil.copy(folder / "own" / "own.store", folder / "other" / "same.store")
    BertForQuestionAnswering(BertConfig.from_pretrained(tiny_model)).save_pretrained(folder / "bert")
    shutil.copy(tiny_model / "vocab.txt", folder / "bert")
    return folder


CASES = {
    "bv_finetune": ["--model", "../bert", "--features", "own.h5", "--task", "span", "--output", "OUT"],
    "bv_extract": ["--checkpoint", "../bert", "--features", "own.h5", "--task", "span", "--store", "OUT"],
    "bv_train": ["--store", "own.store", "--dev-store", "same.store", "--heads", "learned_pooling", "--output", "OUT"],
    "bv_eval of a checkpoint": ["--checkpoint", "../bert", "--features", "own.h5", "--task", "span", "--output", "OUT"],
    "bv_eval of a head": ["--head", "head", "--store", "same.store", "--output", "OUT"],
    "bv_eval of a store": ["--head", "../own/head", "--store", "own.store", "--output", "OUT"],
    "bv_store": ["export", "own.store", "--output", "OUT"],
}


def run_two(inputs, program, *flags):
    """Runs a rank in each folder."""
    ranks = [["--wdir", inputs / folder, bv.BIN / program, *flags] for folder in ("own", "other")]
    found = bv.run_command([*bv.mpirun(1), *ranks[0], ":", "-n", 1, *ranks[1]], check=False, timeout=60)
    errors = bv.error_lines(found.stderr)
    assert found.rc == 2 and len(errors) == 1, found.stderr
    return errors[0]


@pytest.mark.parametrize("case", CASES)
def test_ranks_that_read_other_files_are_refused(case, inputs, tmp_path):
    flags = [tmp_path / "out" if flag == "OUT" else flag for flag in CASES[case]]
    error = run_two(inputs, case.split()[0], *flags, *COMPUTE)
    name = next(flag for flag in CASES[case] if flag in ("own.h5", "own.store", "head"))
    assert f"{name} differs between the ranks: rank 1 on host" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("program", ["bv_finetune", "bv_extract", "bv_eval"])
def test_ranks_whose_models_have_the_same_weights_and_another_config_json_are_refused(program, inputs, tmp_path):
    for folder, activation in (("own", "gelu"), ("other", "relu")):
        shutil.copytree(inputs / "bert", inputs / folder / program)
        config = bv.read_json(inputs / "bert" / "config.json")
        (inputs / folder / program / "config.json").write_text(json.dumps({**config, "hidden_act": activation}))
        shutil.copy(inputs / "own" / "own.h5", inputs / folder / "same.h5")
    model, output = ("--model" if program == "bv_finetune" else "--checkpoint"), ("--store" if program == "bv_extract" else "--output")
    error = run_two(inputs, program, model, program, "--features", "same.h5", "--task", "span", output, tmp_path / "out", *COMPUTE)
    assert f"{program} differs between the ranks: rank 1 on host" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", CASES)
def test_ranks_with_other_configurations_are_refused(case, inputs, tmp_path):
    """The same --config names another file on another host."""
    program = case.split()[0]
    for folder, timeout in (("own", 60), ("other", 61)):
        (inputs / folder / "config.toml").write_text(f"[{program.removeprefix('bv_')}]\nhang_timeout = {timeout}\n")
    flags = [tmp_path / "out" if flag == "OUT" else flag for flag in CASES[case]]
    error = run_two(inputs, program, *flags, "--config", "config.toml")
    assert "the flags differ between the ranks: rank 1 on host" in error
    assert "has 'hang_timeout = 61.0', and rank 0 has 'hang_timeout = 60.0'" in error
