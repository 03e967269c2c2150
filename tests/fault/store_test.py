"""Stores whose writers are really killed, whose disks really fill up, whose bytes really flip: nothing written is lost, and
what is missing is made again with the same bits."""

import os
import random
import shutil
import signal
import time

import bv
import h5py
import numpy as np
import pytest
from made_store import arrays, flip, same, states_at, wait_for_blocks
from safetensors.torch import load_file, save_file

ROUNDS = int(os.environ.get("BV_FAULT_ROUNDS", "4"))


in_16_and_8_bits = pytest.mark.parametrize("flags", ["float16", "float8"], indirect=True)


def assert_whole_blocks_stay(path, undisturbed):
    """A file that is there opens, and every block that bears a mark has its bytes. Returns the number of marks."""
    if not path.exists():
        return 0
    found = arrays(path)
    marked = np.flatnonzero(found["block_records"][:, 0] == 1)
    for block in marked:
        first, last = undisturbed["starts"][undisturbed["block_starts"][block: block + 2]]
        assert found["block_records"][block].tobytes() == undisturbed["block_records"][block].tobytes()
        assert found["states"][:, first:last].tobytes() == undisturbed["states"][:, first:last].tobytes()
    return len(marked)


def assert_finished(path, flags, undisturbed, ranks):
    bv.run("bv_extract", *flags, "--store", path, ranks=ranks)
    assert same(arrays(path), undisturbed)
    assert not list(path.parent.glob("*.partial")) and not list(path.parent.glob("*.lock"))


@in_16_and_8_bits
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_rank_killed_at_any_moment_loses_its_block_alone(flags, undisturbed, tmp_path, seed):
    draw = random.Random(seed)
    path = tmp_path / "store.h5"
    for kill in range(draw.randrange(1, 3)):
        process = bv.start("bv_extract", *flags, "--store", path, ranks=2)
        if seed % 3 == 0 and kill == 0:
            time.sleep(0.2 + draw.random() * 0.6)  # while it starts or makes the file
        else:
            wait_for_blocks(process, path, draw.randrange(1, len(undisturbed["block_records"]) - 10))
            time.sleep(draw.random() * 0.003)
        ranks = bv.ranks_of(process)
        if ranks and process.poll() is None:
            os.kill(draw.choice(ranks), signal.SIGKILL)
        process.communicate(timeout=60)
        if process.returncode == 0:
            break  # it was quicker
        assert_whole_blocks_stay(path, undisturbed)
    assert_finished(path, flags, undisturbed, draw.choice([1, 2, 3]))


def test_only_what_is_missing_is_computed_again(flags, undisturbed, tmp_path):
    path = tmp_path / "store.h5"
    process = bv.start("bv_extract", *flags, "--store", path, ranks=2)
    wait_for_blocks(process, path, 20)
    os.kill(bv.ranks_of(process)[0], signal.SIGKILL)
    process.communicate(timeout=60)
    kept = assert_whole_blocks_stay(path, undisturbed)
    blocks = len(undisturbed["block_records"])
    assert 20 <= kept < blocks
    done = bv.run("bv_extract", *flags, "--store", path, ranks=1)
    assert f"{blocks - kept} of its {blocks} blocks are missing" in done.stderr


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_unfinished_store_is_finished_in_its_precision(flags, tmp_path, precision):
    """The precision stays, whichever one the finishing machine would choose: this machine would choose one of the two."""
    at = flags.index("--precision")
    automatic = [*flags[:at], *flags[at + 2:]]
    path = tmp_path / "store.h5"
    process = bv.start("bv_extract", *automatic, "--precision", precision, "--store", path, ranks=2)
    wait_for_blocks(process, path, 10)
    os.kill(bv.ranks_of(process)[0], signal.SIGKILL)
    process.communicate(timeout=60)
    done = bv.run("bv_extract", *automatic, "--store", path, ranks=2)
    assert "are missing" in done.stderr and f"precision: {precision} (as the earlier run recorded)" in done.stderr
    assert f"matrix products in {precision}" in bv.run("bv_store", "info", path).stdout
    assert "is complete already" in bv.run("bv_extract", *automatic, "--store", path).stderr


def test_a_store_knows_where_it_came_from(flags, features, tiny_model, undisturbed, tmp_path):
    path = tmp_path / "store.h5"
    bv.run("bv_extract", *flags, "--store", path, "--batch-tokens", 500)
    with h5py.File(path, "r+", locking=False) as file:
        assert file.attrs["batch_tokens"] == 500
        file["block_records"][3, 0] = 0
    shown = bv.run("bv_store", "info", path).stdout
    assert f"of {tiny_model}, weights" in shown and f"{features}, features" in shown
    bv.run("bv_store", "repair", path, "--device", "cpu", "--threads", 1)
    assert same(arrays(path), undisturbed)


def test_a_second_writer_is_refused_and_a_dead_ones_lock_blocks_nobody(flags, undisturbed, tmp_path):
    path = tmp_path / "store.h5"
    first = bv.start("bv_extract", *flags, "--store", path, ranks=2)
    wait_for_blocks(first, path, 5)
    for pid in bv.ranks_of(first):
        os.kill(pid, signal.SIGSTOP)
    for command in (["bv_extract", *flags, "--store", path], ["bv_extract", *flags, "--store", path, "--force"]):
        second = bv.run(*command, ranks=1, check=False)
        errors = bv.error_lines(second.stderr)
        assert second.rc == 2 and len(errors) == 1, second.stderr
        assert "being written by another process (host " in errors[0] and "store.h5.lock" in errors[0]
    for pid in bv.ranks_of(first):
        os.kill(pid, signal.SIGKILL)
    first.communicate(timeout=60)
    assert path.with_name("store.h5.lock").exists()
    assert_finished(path, flags, undisturbed, 2)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_disk_without_the_space_is_refused_before_any_work(flags, mounted, ranks):
    place = mounted("tmpfs", 1)
    refused = bv.run("bv_extract", *flags, "--store", place / "store.h5", ranks=ranks, check=False)
    errors = bv.error_lines(refused.stderr)
    assert refused.rc == 2 and len(errors) == 1, refused.stderr
    assert "cannot reserve" in errors[0] and "bytes are free" in errors[0] and "store.h5" in errors[0]
    assert not list(place.glob("store.h5*"))


def test_a_disk_that_fills_up_costs_nothing_that_was_written(flags, undisturbed, mounted):
    """ext2 cannot reserve space, as some parallel file systems cannot."""
    place = mounted("ext2", 24)
    path = place / "store.h5"
    process = bv.start("bv_extract", *flags, "--store", path, ranks=2)
    wait_for_blocks(process, path, 3)
    ranks = bv.ranks_of(process)
    for pid in ranks:
        os.kill(pid, signal.SIGSTOP)
    ballast = place / "ballast"
    with pytest.raises(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for pid in ranks:
        os.kill(pid, signal.SIGCONT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, 85), text
    assert "cannot write block" in text and str(path) in text and "0 bytes are free" in text
    assert 3 <= assert_whole_blocks_stay(path, undisturbed) < len(undisturbed["block_records"])
    ballast.unlink()
    assert_finished(path, flags, undisturbed, 2)


@in_16_and_8_bits
@pytest.mark.parametrize("ranks", [1, 2])
def test_flipped_bytes_are_named_and_mended(whole, undisturbed, ranks):
    offset, (_, rows, _) = states_at(whole)
    row_bytes = undisturbed["states"][0, 0].nbytes
    draw = random.Random(ranks)
    damaged = sorted(draw.sample(range(0, len(undisturbed["block_records"]) - 1, 2), 2))
    damaged.append(damaged[-1] + 1)
    for block in damaged:
        first, last = undisturbed["starts"][undisturbed["block_starts"][block: block + 2]]
        row = draw.randrange(3) * rows + draw.randrange(first, last)
        flip(whole, offset + row * row_bytes + draw.randrange(row_bytes))
    before = whole.read_bytes()
    found = bv.run("bv_store", "verify", whole, check=False)
    assert found.rc == 2 and f"damaged blocks {damaged[0]}, {damaged[1]} to {damaged[2]};" in bv.error_lines(found.stderr)[0]
    assert whole.read_bytes() == before
    mended = bv.run("bv_store", "repair", whole, "--device", "cpu", "--threads", 1, ranks=ranks)
    assert "computing damaged blocks" in mended.stderr
    assert same(arrays(whole), undisturbed)
    assert "nothing to repair" in bv.run("bv_store", "repair", whole).stderr
    bv.run("bv_store", "verify", whole)


def test_a_reader_refuses_damaged_bytes_by_block(whole, flags, corpus, features, tmp_path):
    offset, (_, rows, hidden) = states_at(whole)
    flip(whole, offset + (2 * rows + rows // 2) * hidden * 2)
    read = bv.run("bv_train", "--store", whole, "--dev-store", whole, "--heads", "learned_pooling", "--output", tmp_path / "heads",
                  "--cache-gib", 0, "--device", "cpu", "--threads", 1, ranks=1, check=False)
    assert read.rc != 0 and "store.h5 is damaged: state 2 of block" in read.stderr and "bv_store repair" in read.stderr
    spared = bv.run("bv_train", "--store", whole, "--dev-store", whole, "--heads", "learned_pooling", "--output", tmp_path / "heads",
                    "--layers", "0,1", "--device", "cpu", "--threads", 1, ranks=1, check=False)
    assert spared.rc == 0, spared.stderr  # its bytes are not read


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_store_cut_short_is_refused_and_mended(whole, undisturbed, kept):
    offset, _ = states_at(whole)
    size = whole.stat().st_size
    os.truncate(whole, int(offset + kept * (size - offset)))
    refused = bv.run("bv_train", "--store", whole, "--dev-store", whole, "--heads", "learned_pooling", "--output", whole.parent / "x",
                     check=False)
    assert refused.rc == 2 and "is truncated" in refused.stderr and "bv_store repair" in refused.stderr
    assert "damaged block" in bv.run("bv_store", "verify", whole, check=False).stderr
    bv.run("bv_store", "repair", whole, "--device", "cpu", "--threads", 1)
    assert same(arrays(whole), undisturbed)


def test_damaged_tables_are_found(whole):
    """A byte of every dataset and of the metadata before the states: found, or without effect on any value."""
    offset, _ = states_at(whole)
    reference = arrays(whole)
    original = whole.read_bytes()
    draw = random.Random(7)
    with h5py.File(whole) as file:
        places = [file[name].id.get_offset() for name in ("original", "starts", "block_records", "features/ids", "features/starts")]
    places = [place + 5 for place in places if place] + [draw.randrange(0, 16000) for _ in range(20)]
    for place in places:
        flip(whole, place)
        if bv.run("bv_store", "verify", whole, check=False).rc == 0:
            assert same(arrays(whole), reference), f"byte {place}"
        whole.write_bytes(original)
    assert offset > max(places)


def test_repair_refuses_other_weights_and_leaves_the_store(whole, tiny_model, tmp_path):
    offset, _ = states_at(whole)
    flip(whole, offset)
    before = whole.read_bytes()
    other = bv.write_model(tmp_path / "other", seed=5)
    for flags, words in ((["--checkpoint", other], ["holds the model", "other"]), (["--checkpoint", tmp_path / "gone"], ["not a folder", "gone"])):
        refused = bv.run("bv_store", "repair", whole, *flags, check=False)
        errors = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and len(errors) == 1 and all(word in errors[0] for word in words), refused.stderr
        assert whole.read_bytes() == before
    bv.run("bv_store", "repair", whole, "--checkpoint", shutil.copytree(tiny_model, tmp_path / "moved"))
    bv.run("bv_store", "verify", whole)


def without_pooler(tensors):
    for name in list(tensors):
        if name.startswith(("bert.pooler.", "pooler.")):
            del tensors[name]


def with_nan(tensors):
    tensors[min(tensors)].view(-1)[3] = float("nan")


@pytest.mark.parametrize("change, words", [(without_pooler, "pooler"), (with_nan, "NaN")])
def test_repair_refuses_weights_that_make_no_states_and_leaves_the_store(features, tiny_model, tmp_path, change, words):
    """The store names the very weights."""
    store = tmp_path / "store.h5"
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", "classification", "--store", store,
           "--device", "cpu", "--threads", 1)
    folder = shutil.copytree(tiny_model, tmp_path / "changed")
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    offset, _ = states_at(store)
    flip(store, offset)
    refused = bv.run("bv_store", "repair", store, "--checkpoint", folder, check=False)
    fingerprint = bv.error_lines(refused.stderr)[0].rsplit(" ", 1)[-1]
    with h5py.File(store, "r+") as file:
        file.attrs["checkpoint"] = np.bytes_(fingerprint)
    before = store.read_bytes()
    for ranks in (1, 2):
        refused = bv.run("bv_store", "repair", store, "--checkpoint", folder, "--device", "cpu", "--threads", 1, ranks=ranks, check=False)
        errors = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and len(errors) == 1 and str(folder) in errors[0] and words in errors[0], refused.stderr
        assert store.read_bytes() == before
