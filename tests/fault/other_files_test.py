"""Ranks that read other files under the same name, as where one host has an old copy: refused before any work."""

import bv
import pytest

COMPUTE = ["--device", "cpu", "--threads", 1]


@pytest.fixture(scope="module")
def inputs(corpus, model, tiny_model, tmp_path_factory):
    """Two features files of other windows, and a store of each."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, tokens in (("own", 96), ("other", 90)):
        features = folder / f"{name}.h5"
        bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", tokens, "--stride", 16, "--output", features)
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", "span", *COMPUTE, "--store", folder / f"{name}.store")
    return folder


def command_of(program, inputs, model, name, output):
    return {
        "bv_finetune": ["--model", model, "--features", inputs / f"{name}.h5", "--task", "span", "--output", output],
        "bv_extract": ["--checkpoint", model, "--features", inputs / f"{name}.h5", "--task", "span", "--store", output],
        "bv_train": ["--store", inputs / f"{name}.store", "--dev-store", inputs / "own.store", "--heads", "learned_pooling", "--output", output],
    }[program]


@pytest.mark.parametrize("program", ["bv_finetune", "bv_extract", "bv_train"])
def test_ranks_that_read_other_files_are_refused(program, inputs, tiny_model, tmp_path):
    own, other = ([bv.BIN / program, *command_of(program, inputs, tiny_model, name, tmp_path / "out"), *COMPUTE] for name in ("own", "other"))
    found = bv.run_command([*bv.mpirun(1), *own, ":", "-n", 1, *other], check=False, timeout=60)
    errors = bv.error_lines(found.stderr)
    assert found.rc == 2 and len(errors) == 1, found.stderr
    assert f"{inputs / 'other'}." in errors[0] and "differs between the ranks: rank 1 on host" in errors[0]
    assert not list(tmp_path.iterdir())
