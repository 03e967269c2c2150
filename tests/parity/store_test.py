"""Embedding stores: what Python reads from them is what Hugging Face Transformers computes."""

import shutil
import sys

import bv
import h5py
import numpy as np
import pytest
import torch
from transformers import BertModel

sys.path.insert(0, str(bv.SOURCE / "tools"))
from read_store import Store

COUNT = 40


@pytest.fixture(scope="module")
def excerpts(references, model, tmp_path_factory):
    """Features of the first dev questions."""
    path = tmp_path_factory.mktemp("excerpts") / "dev.h5"
    bv.run("bv_prepare", "--squad", references / "squad" / "dev.json", "--model", model, "--limit", COUNT,
           "--output", path, "--unfound", "keep")
    return path


@pytest.fixture(scope="module")
def peers(model, excerpts):
    """Of each feature alone: the pooled output (H) and all hidden states (L, T, H), by transformers in float32."""
    return list(peer_states(model, excerpts))


@pytest.fixture(scope="module")
def made(corpus, model, tmp_path_factory):
    """Features of the generated corpus."""
    path = tmp_path_factory.mktemp("made") / "dev.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", path)
    return path


def extract(checkpoint, features, store, *flags, task="span", ranks=2, block=0.06, check=True):
    return bv.run("bv_extract", "--checkpoint", checkpoint, "--features", features, "--store", store, "--task", task,
                  "--device", "cpu", "--precision", "float32", "--threads", 1, "--block-mib", block, *flags, ranks=ranks, check=check)


def peer_states(folder, features):
    model = BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    with h5py.File(features) as file, torch.no_grad():
        table = file["features"]
        starts = table["starts"][:]
        for first, last in zip(starts[:-1], starts[1:]):
            out = model(input_ids=torch.tensor(table["ids"][first:last].astype(np.int64))[None],
                        token_type_ids=torch.tensor(table["segments"][first:last].astype(np.int64))[None],
                        output_hidden_states=True)
            yield out.pooler_output[0].numpy(), torch.cat(out.hidden_states).numpy()


def content(store):
    """Every byte that a store is about."""
    with h5py.File(store) as file:
        names = ["layers", "states", "starts", "original", "block_starts", "block_records"]
        return {name: file[name][:].tobytes() for name in names}


@pytest.mark.parametrize("dtype, relative", [("float32", 0), ("float16", 2**-10), ("float8", 2**-4)])
@pytest.mark.parametrize("task", ["span", "classification"])
def test_store_holds_what_transformers_computes(model, excerpts, peers, tmp_path, task, dtype, relative):
    path = tmp_path / "store.h5"
    extract(model, excerpts, path, "--dtype", dtype, task=task)
    store = Store(path)
    assert store.complete and store.task == task and store.epoch == "0" and len(store) >= COUNT
    assert len(peers) == len(store)
    for feature, (pooled, states) in enumerate(peers):
        expected = states if task == "span" else np.concatenate([pooled[None, None], states[:, :1]])
        found = store.states(feature)
        assert found.dtype == (dtype if dtype != "float8" else "float32") and found.shape == expected.shape
        # The smallest step of a row of float8 is 2^-9 of its scale.
        step = np.abs(expected).max(-1, keepdims=True) / 448 * 2**-9 if dtype == "float8" else 0
        error = np.abs(found.astype(np.float32) - expected)
        # Processors round the sums of a layer in different orders: on an AMD EPYC one of a million states is 1.1e-5 off.
        assert (error <= 2e-5 + np.maximum(relative * np.abs(expected), step / 2)).all()


def test_a_store_of_another_version_is_refused_by_name(tiny_model, made, tmp_path):
    path = tmp_path / "store.h5"
    extract(tiny_model, made, path)
    with h5py.File(path, "r+", locking=False) as file:
        file.attrs.modify("version", np.int64(2))
    with pytest.raises(ValueError, match=f"^{path} is a store of version 2; this program reads version 3$"):
        Store(path)


def test_float8_takes_about_half_the_bytes_of_float16(model, excerpts, tmp_path):
    bytes_of = {}
    for dtype in ("float16", "float8"):
        extract(model, excerpts, tmp_path / "store.h5", "--dtype", dtype, "--force")
        with h5py.File(tmp_path / "store.h5") as file:
            bytes_of[dtype] = file["states"].id.get_storage_size()
    assert bytes_of["float8"] <= 0.52 * bytes_of["float16"]


def by_torch(states, dtype):
    """float32 states as a store of that type gives them back, rounded by Torch."""
    if dtype == "bfloat16":
        return states.to(torch.bfloat16).to(torch.float32)
    scales = states.abs().amax(-1, keepdim=True) / 448
    return (states / scales).to(torch.float8_e4m3fn).to(torch.float32) * scales


@pytest.mark.parametrize("dtype", ["bfloat16", "float8"])
def test_torchs_rounding_and_a_layer_subset(tiny_model, made, tmp_path, dtype):
    extract(tiny_model, made, tmp_path / "whole.h5", "--dtype", "float32")
    extract(tiny_model, made, tmp_path / "part.h5", "--dtype", dtype, "--layers", "2,0")
    whole, part = Store(tmp_path / "whole.h5"), Store(tmp_path / "part.h5")
    for index in (len(part.layers), np.int64(len(part.layers)), -len(part.layers) - 1):  # another layer would be wrong states
        with pytest.raises(IndexError):
            part.states(0, index)
    assert (part.states(0, -1) == part.states(0, np.int64(len(part.layers) - 1))).all()
    assert whole.layers.tolist() == [0, 1, 2] and part.layers.tolist() == [0, 2]
    for feature in range(len(whole)):
        expected = by_torch(torch.tensor(whole.states(feature)[[0, 2]]), dtype)
        np.testing.assert_array_equal(part.states(feature), expected.numpy())
        np.testing.assert_array_equal(part.states(feature, -1), expected[1].numpy())


@pytest.mark.parametrize("dtype", ["float16", "float8"])
def test_states_do_not_depend_on_the_number_of_ranks(tiny_model, made, tmp_path, dtype):
    stores = {ranks: tmp_path / f"{ranks}.h5" for ranks in (1, 2, 4)}
    for ranks, path in stores.items():
        extract(tiny_model, made, path, "--dtype", dtype, ranks=ranks)
    assert content(stores[1]) == content(stores[2]) == content(stores[4])


def test_more_ranks_than_blocks(tiny_model, made, tmp_path):
    extract(tiny_model, made, tmp_path / "one.h5", ranks=1, block=1000)
    extract(tiny_model, made, tmp_path / "three.h5", ranks=3, block=1000)
    assert content(tmp_path / "one.h5") == content(tmp_path / "three.h5")


def test_an_interrupted_store_is_finished_by_any_number_of_ranks(tiny_model, made, tmp_path):
    whole, rest = tmp_path / "whole.h5", tmp_path / "rest.h5"
    extract(tiny_model, made, whole)
    shutil.copy(whole, rest)
    with h5py.File(rest, "r+") as file:  # as a killed run leaves it
        blocks = len(file["block_records"])
        for block in range(1, blocks, 2):
            first, last = file["starts"][:][file["block_starts"][block: block + 2]]
            file["block_records"][block] = 0
            file["states"][:, first:last] = 0
    assert content(rest) != content(whole)
    done = extract(tiny_model, made, rest, ranks=3)
    assert f"{blocks // 2} of its {blocks} blocks are missing" in done.stderr
    assert content(rest) == content(whole)


@pytest.mark.parametrize("ranks", [1, 2])
def test_mistakes_are_one_line_and_leave_nothing(tiny_model, made, tmp_path, ranks):
    def refusal(checkpoint, features, store, *flags, **options):
        result = extract(checkpoint, features, store, *flags, ranks=ranks, check=False, **options)
        assert result.rc == 2, result.stderr
        lines = bv.error_lines(result.stderr)
        assert len(lines) == 1, result.stderr
        return lines[0]

    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    vocabulary = (other / "vocab.txt").read_text(encoding="utf-8")
    (other / "vocab.txt").write_text(vocabulary.replace("\nthe\n", "\nthhe\n"), encoding="utf-8")
    output = tmp_path / "out" / "store.h5"
    assert "dev.h5" in (line := refusal(other, made, output)) and "vocab.txt" in line
    assert "0 (embedding output) to 2" in refusal(tiny_model, made, output, "--layers", "0,3")
    assert "absent.h5" in refusal(tiny_model, tmp_path / "absent.h5", output)
    assert not output.parent.exists()

    extract(tiny_model, made, output, ranks=ranks)
    before = content(output)
    assert "is complete already" in extract(tiny_model, made, output, ranks=ranks).stderr
    assert "store.h5" in refusal(tiny_model, made, output, "--dtype", "bfloat16")
    assert content(output) == before
    extract(tiny_model, made, output, "--force", "--layers", "1", ranks=ranks)
    assert Store(output).layers.tolist() == [1]


def test_states_beyond_the_range_of_float16_are_refused(tiny_model, made, tmp_path):
    large = tmp_path / "large"
    model = BertModel.from_pretrained(tiny_model)
    with torch.no_grad():
        model.encoder.layer[0].output.LayerNorm.weight.mul_(1e6)
    model.save_pretrained(large)
    shutil.copy(tiny_model / "vocab.txt", large)
    result = extract(large, made, tmp_path / "half.h5", ranks=1, check=False)
    assert result.rc == 2 and "--dtype float8, bfloat16" in result.stderr
    extract(large, made, tmp_path / "brain.h5", "--dtype", "bfloat16")
