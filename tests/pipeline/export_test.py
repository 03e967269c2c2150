"""States and what heads make of them, as safetensors for other programs: bv_store export, and bv_eval --pooled."""

import json
import shutil
import sys

import bv
import h5py
import numpy as np
import pytest
from head_training import VARIANT, make_study, train
from safetensors import safe_open
from safetensors.numpy import load_file

sys.path.insert(0, str(bv.SOURCE / "tools"))
from read_store import Store

POOL_LAST = """\
task = "span"
blocks = [
    { type = "conv", filters = 2, kernel = 3, stride = 4 },
    { type = "global_average_pool" },
]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_model, corpus):
    folder = make_study(tmp_path_factory.mktemp("study"), tiny_model, corpus)
    (folder / "pool_last.toml").write_text(POOL_LAST)
    for task, heads in {"span": f"adapter_64_shared,learned_pooling_cnn_1xn,{folder / 'pool_last.toml'}",
                        "classification": "tenney_small"}.items():
        train(folder, folder / "heads", heads, task=task)
    return folder


def metadata_of(path):
    with safe_open(path, "numpy") as file:
        return file.metadata()


def export(store, output, *flags, check=True, ranks=None):
    return bv.run("bv_store", "export", store, "--output", output, *flags, check=check, ranks=ranks)


def refusal(result):
    assert result.rc == 2, result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    return line


@pytest.mark.parametrize("task", ["span", "classification"])
def test_exported_states_are_those_of_the_store(study, task, tmp_path):
    path = study / f"{task}-dev.h5"
    store = Store(path)
    export(path, tmp_path / "all.safetensors")
    states = load_file(tmp_path / "all.safetensors")
    names = [*(["pooled"] if task == "classification" else []), *(f"layer-{layer:02}" for layer in store.layers)]
    assert sorted(states) == sorted([*names, "features", "starts", "questions"])
    assert states["features"].tolist() == list(range(len(store)))
    for f in range(len(store)):
        rows = slice(states["starts"][f], states["starts"][f + 1])
        for s, name in enumerate(names):
            np.testing.assert_array_equal(states[name][rows], store.states(f, s))
    about = metadata_of(tmp_path / "all.safetensors")
    assert (about["task"], about["checkpoint"], about["features"]) == (task, store.checkpoint, store.features_fingerprint)
    for ranks in (2, 4):
        export(path, tmp_path / f"{ranks}.safetensors", ranks=ranks)
        assert (tmp_path / f"{ranks}.safetensors").read_bytes() == (tmp_path / "all.safetensors").read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_float8_is_exported_as_float32(study, tiny_model, tmp_path):
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", study / "dev.h5", "--task", "span", "--dtype", "float8",
           "--store", tmp_path / "store.h5")
    store = Store(tmp_path / "store.h5")
    export(tmp_path / "store.h5", tmp_path / "some.safetensors", "--layers", "1", "--features", "2,0")
    some = load_file(tmp_path / "some.safetensors")
    assert some["layer-01"].dtype == np.float32
    np.testing.assert_array_equal(some["layer-01"], np.concatenate([store.states(0, 1), store.states(2, 1)]))


def test_chosen_layers_and_features_are_exported(study, tmp_path):
    path = study / "span-dev.h5"
    store = Store(path)
    export(path, tmp_path / "some.safetensors", "--layers", "0,2", "--features", "1,3-4")
    some = load_file(tmp_path / "some.safetensors")
    assert sorted(some) == ["features", "layer-00", "layer-02", "questions", "starts"] and some["features"].tolist() == [1, 3, 4]
    for i, f in enumerate((1, 3, 4)):
        rows = slice(some["starts"][i], some["starts"][i + 1])
        np.testing.assert_array_equal(some["layer-02"][rows], store.states(f, 2))
    ids = json.loads(metadata_of(tmp_path / "some.safetensors")["question_ids"])
    chosen = ids[some["questions"][1]]
    export(path, tmp_path / "one.safetensors", "--questions", chosen)
    one = load_file(tmp_path / "one.safetensors")
    assert json.loads(metadata_of(tmp_path / "one.safetensors")["question_ids"]) == [chosen] and 3 in one["features"]


def test_what_cannot_be_exported_is_said(study, tmp_path):
    path, output = study / "span-dev.h5", tmp_path / "states.safetensors"
    for flags, words in ((["--features", "0,x"], "'x' is no number or range of features"),
                         (["--features", "5-2"], "'5-2' is no number"), (["--features", "999999"], "from 0 to"),
                         (["--features", "0,"], "empty item"), (["--features", ""], "empty item"),
                         (["--layers", "0,"], "'' is not the number of a hidden state"),
                         (["--layers", "7"], "holds no states of layer 7"), (["--questions", "nobody"], "no feature of question 'nobody'")):
        assert words in refusal(export(path, output, *flags, check=False))
    assert not list(tmp_path.iterdir())
    assert "--output is missing" in refusal(bv.run("bv_store", "export", path, check=False))
    for flag, value in (("--output", output), ("--layers", 0), ("--features", 0), ("--questions", "a")):
        assert f"{flag} is for export; info does not" in refusal(bv.run("bv_store", "info", path, flag, value, check=False))
    assert "--force is for export; verify does not" in refusal(bv.run("bv_store", "verify", path, "--force", check=False))
    assert "--checkpoint is for repair; export does not" in refusal(export(path, output, "--checkpoint", study, check=False))
    export(path, output, "--features", 0)
    before = output.read_bytes()
    assert "--force" in refusal(export(path, output, check=False)) and output.read_bytes() == before
    export(path, output, "--force")
    assert len(output.read_bytes()) > len(before)


def pooled(study, task, head, output, *flags, check=True, ranks=None):
    return bv.run("bv_eval", "--head", study / "heads" / head / VARIANT, "--store", study / f"{task}-dev.h5", "--pooled", output,
                  "--device", "cpu", *flags, check=check, ranks=ranks)


@pytest.mark.parametrize("task, head", [("span", "adapter_64_shared"), ("span", "learned_pooling_cnn_1xn"),
                                        ("classification", "tenney_small")])
def test_the_last_block_makes_the_logits_of_what_is_pooled(study, task, head, tmp_path):
    pooled(study, task, head, tmp_path / "pooled.safetensors")
    rows = load_file(tmp_path / "pooled.safetensors")
    weights = load_file(study / "heads" / head / VARIANT / "head.safetensors")
    last = max((name for name in weights if name.endswith("linear.weight")), key=lambda name: int(name.split(".")[0]))
    weight, bias = weights[last], weights[last.replace("weight", "bias")]
    if weight.shape[0] != 2:
        weight = weight.T
    logits = rows["pooled"] @ weight.T + bias
    bv.run("bv_eval", "--head", study / "heads" / head / VARIANT, "--store", study / f"{task}-dev.h5", "--output", tmp_path / "scored",
           "--device", "cpu")
    wanted = load_file(tmp_path / "scored" / "logits.safetensors")
    wanted = np.stack([wanted["start"], wanted["end"]], 1) if task == "span" else wanted["logits"]
    np.testing.assert_allclose(logits, wanted, atol=1e-4, rtol=1e-4)
    assert len(rows["pooled"]) == rows["starts"][-1] and metadata_of(tmp_path / "pooled.safetensors")["head"] == head
    for ranks in (2, 4):
        pooled(study, task, head, tmp_path / f"{ranks}.safetensors", ranks=ranks)
        np.testing.assert_allclose(load_file(tmp_path / f"{ranks}.safetensors")["pooled"], rows["pooled"], atol=1e-5)


def test_rows_with_channels_keep_them(study, tmp_path):
    pooled(study, "span", "pool_last", tmp_path / "pooled.safetensors")
    rows = load_file(tmp_path / "pooled.safetensors")["pooled"]
    wanted = load_file(study / "heads" / "pool_last" / VARIANT / "logits.safetensors")
    assert rows.shape == (len(wanted["start"]), 2, 8)
    np.testing.assert_allclose(rows.mean(2), np.stack([wanted["start"], wanted["end"]], 1), atol=1e-5)


def test_of_a_damaged_store_nothing_is_written(study, tmp_path):
    store = tmp_path / "store.h5"
    shutil.copy(study / "span-dev.h5", store)
    with h5py.File(store) as file:
        place = file["states"].id.get_offset() + 1000
    data = bytearray(store.read_bytes())
    data[place] ^= 1
    store.write_bytes(data)
    for command in (["bv_store", "export", store, "--output"],
                    ["bv_eval", "--head", study / "heads" / "learned_pooling_cnn_1xn" / VARIANT, "--store", store, "--device", "cpu",
                     "--pooled"]):
        line = refusal(bv.run(*command, tmp_path / "out.safetensors", check=False))
        assert str(store) in line and "bv_store repair" in line
    assert [path.name for path in tmp_path.iterdir()] == ["store.h5"]


MADE = """
. launch/made.sh
prefix='' python=$0
store_blocks "$1"
complete_store "$1"
"""


def test_blocks_count_as_written_if_their_mark_is_1(study, tmp_path):
    """To the launchers; the programs have the same rule (src/store/FORMAT.md)."""
    store = tmp_path / "store.h5"
    shutil.copy(study / "span-dev.h5", store)

    def told():
        return bv.run_command(["bash", "-c", MADE, sys.executable, store], cwd=bv.SOURCE, check=False)

    blocks = len(Store(store).written)
    assert (told().rc, told().stdout) == (0, f"{blocks} {blocks}\n")
    with h5py.File(store, "r+") as file:
        file["block_records"][0, 0] = 3
    assert (told().rc, told().stdout) == (1, f"{blocks - 1} {blocks}\n")
    assert bv.run("bv_store", "verify", store, check=False).rc == 2


def test_states_that_were_never_written_are_not_read(study, tmp_path):
    store = tmp_path / "store.h5"
    shutil.copy(study / "span-dev.h5", store)
    with h5py.File(store, "r+") as file:
        file["block_records"][0, 0] = 0
    opened = Store(store)
    assert not opened.complete
    with pytest.raises(ValueError, match="no states of feature"):
        opened.states(int(opened.original[0]))
    opened.file.close()
    with h5py.File(store, "r+") as file:
        file["block_records"][:, 0] = 0
    verified = bv.run("bv_store", "verify", store, check=False)
    assert "0 of its" in verified.stderr and "0.0 kB read" in verified.stderr and verified.rc == 2


def test_states_are_pooled_without_a_store_too(study, tiny_model, tmp_path):
    pooled(study, "span", "adapter_64_shared", tmp_path / "stored.safetensors")
    bv.run("bv_eval", "--head", study / "heads" / "adapter_64_shared" / VARIANT, "--checkpoint", tiny_model, "--features",
           study / "dev.h5", "--pooled", tmp_path / "computed.safetensors", "--device", "cpu", "--precision", "float32")
    stored, computed = (load_file(tmp_path / f"{name}.safetensors") for name in ("stored", "computed"))
    np.testing.assert_allclose(stored["pooled"], computed["pooled"], atol=2e-2)  # the store is in float16
    for flags, words in ((["--output", tmp_path / "o"], "--pooled writes its file alone"), ([], "--force")):
        line = refusal(pooled(study, "span", "adapter_64_shared", tmp_path / "stored.safetensors", *flags, check=False))
        assert words in line
    alone = bv.run("bv_eval", "--checkpoint", tiny_model, "--features", study / "dev.h5", "--pooled", tmp_path / "p", check=False)
    assert "--pooled needs --head" in refusal(alone)
