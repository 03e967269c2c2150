"""Files whose bytes change on a disk or on the way: a reader gets what was written, or refuses the file and names it."""

import os
import random
import re
import shutil
import subprocess

import bv
import h5py
import numpy as np
import pytest

ROUNDS = int(os.environ.get("BV_FAULT_ROUNDS", "60"))
KINDS = ["features", "store", "checkpoint", "head", "logits"]


class Probe:
    """Reads files by the programs' own readers, many in one process."""

    def __init__(self):
        self.process = subprocess.Popen([bv.BIN / "integrity_probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "OMP_NUM_THREADS": "1"})

    def read(self, kind, path):
        """("ok", fingerprint of everything) or ("refused", message)."""
        self.process.stdin.write(f"{kind} {path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the reader of {path} ended with exit code {self.process.wait()}"
        status, text = line.rstrip("\n").split(" ", 1)
        return status, text

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def probe():
    probe = Probe()
    yield probe
    probe.end()


@pytest.fixture(scope="module")
def made(corpus, tiny_model, tmp_path_factory):
    """A file or folder of each kind."""
    folder = tmp_path_factory.mktemp("made")
    paths = {"features": folder / "train.h5", "store": folder / "store.h5"}
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", tiny_model, "--max-tokens", 96, "--stride", 24, "--output",
           paths["features"])
    common = ["--device", "cpu", "--precision", "float32", "--threads", 1]
    bv.run("bv_finetune", "--model", tiny_model, "--features", paths["features"], "--output", folder / "run", "--batch", 8,
           "--checkpoints", "0.2", *common)
    paths["checkpoint"] = folder / "run" / "checkpoints" / "epoch-0.2"
    bv.run("bv_extract", "--checkpoint", paths["checkpoint"], "--features", paths["features"], "--store", paths["store"],
           "--block-mib", 0.1, *common)
    bv.run("bv_train", "--store", paths["store"], "--dev-store", paths["store"], "--heads", "learned_pooling_adapter_386",
           "--epochs", 1, "--output", folder / "heads", "--device", "cpu", "--threads", 1)
    (head,) = folder.glob("heads/*/*/*/head.json")
    paths["head"] = head.parent
    paths["logits"] = head.with_name("logits.safetensors")
    return paths


def copy_of(path, target):
    """A copy of a file or folder, of the same name."""
    target.mkdir(exist_ok=True)
    if path.is_dir():
        return shutil.copytree(path, target / path.name, dirs_exist_ok=True)
    return shutil.copy(path, target / path.name)


def files_of(kind, path):
    """The files that a reader of it reads."""
    if kind == "checkpoint":
        return sorted(file for file in path.iterdir() if file.is_file())
    if kind == "head":
        return [path / "head.json", path / "head.safetensors"]
    return [path]


def mutate(content, draw):
    """Changes a bit, a byte or a run of bytes; mostly where something stands."""
    something = np.flatnonzero(np.frombuffer(content, np.uint8))
    place = int(draw.choice(something)) if draw.random() < 0.75 else draw.randrange(len(content))
    changed = bytearray(content)
    how = draw.randrange(3)
    if how == 0:
        changed[place] ^= 1 << draw.randrange(8)
    elif how == 1:
        changed[place] = draw.randrange(256)
    else:
        changed[place: place + 16] = draw.choice([bytes(16), draw.randbytes(16)])[: len(content) - place]
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes_are_refused_or_change_nothing(kind, made, probe, tmp_path):
    copy = copy_of(made[kind], tmp_path)
    files = files_of(kind, copy)
    status, expected = probe.read(kind, copy)
    assert status == "ok", expected
    draw = random.Random(kind)
    refused = 0
    for turn in range(ROUNDS):
        file = files[turn % len(files)]
        content = file.read_bytes()
        changed = mutate(content, draw)
        file.write_bytes(changed)
        status, text = probe.read(kind, copy)
        places = [i for i, (old, new) in enumerate(zip(content, changed, strict=True)) if old != new] if status == "ok" else []
        assert status == "refused" or text == expected, f"{file.name}: other values for changed bytes {places}"
        refused += status == "refused"
        file.write_bytes(content)
    assert refused > ROUNDS // 4
    assert probe.read(kind, copy) == ("ok", expected)


def datasets_outside_metadata(path):
    """(name, place, bytes) of each dataset but the states and their checksums; small ones are part of HDF5's metadata."""
    found = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and name not in ("states", "block_records") and item.id.get_offset() is not None:
            found.append((name, item.id.get_offset(), item.id.get_storage_size()))

    with h5py.File(path, locking=False) as file:
        file.visititems(visit)
    return found


@pytest.mark.parametrize("kind", ["features", "store"])
def test_a_damaged_array_is_named(kind, made, probe, tmp_path):
    copy = copy_of(made[kind], tmp_path)
    whole = copy.read_bytes()
    draw = random.Random(1)
    arrays = datasets_outside_metadata(copy)
    assert "features/ids" in {name for name, _, _ in arrays}
    for name, begin, size in arrays:
        changed = bytearray(whole)
        changed[begin + draw.randrange(size)] ^= 1 << draw.randrange(8)
        copy.write_bytes(changed)
        status, text = probe.read(kind, copy)
        assert status == "refused" and f"{copy}:/{name} is damaged: the CRC-32C" in text, text


def refusal(program, *args):
    result = bv.run(program, *args, check=False)
    lines = bv.error_lines(result.stderr)
    assert result.rc == 2 and len(lines) == 1, result.stderr
    return lines[0]


def flip_in(path, text=None):
    """Flips the lowest bit of the byte before the middle of the file, or of the last byte of `text` in it."""
    content = bytearray(path.read_bytes())
    place = len(content) // 2 - 1 if text is None else content.index(text) + len(text) - 1
    content[place] ^= 1
    path.write_bytes(content)


def test_programs_refuse_a_damaged_checkpoint_and_say_how_to_go_on(made, tmp_path):
    copy = copy_of(made["checkpoint"], tmp_path)
    output = ["--output", tmp_path / "out"]
    readers = [["bv_eval", "--checkpoint", copy, "--features", made["features"], *output],
               ["bv_extract", "--checkpoint", copy, "--features", made["features"], "--store", tmp_path / "other.h5"],
               ["bv_finetune", "--model", copy, "--features", made["features"], *output],
               ["bv_train", "--checkpoint", copy, "--features", made["features"], "--dev-features", made["features"], "--heads",
                "learned_pooling", *output]]
    whole = (copy / "model.safetensors").read_bytes()
    flip_in(copy / "model.safetensors")
    for reader in readers:
        line = refusal(*reader)
        assert str(copy) in line and "weights are damaged or were changed" in line and "delete checkpoint.json" in line
    assert not (tmp_path / "out").exists() and not (tmp_path / "other.h5").exists()
    damaged = (copy / "model.safetensors").read_bytes()

    (copy / "model.safetensors").write_bytes(whole)
    flip_in(copy / "config.json", b'"num_attention_heads": 2')
    assert f"{copy / 'config.json'}: it is damaged" in refusal(*readers[0])
    shutil.copy(made["checkpoint"] / "config.json", copy)
    flip_in(copy / "checkpoint.json", b'"epoch": "1')
    assert f"{copy / 'checkpoint.json'}: it is damaged" in refusal(*readers[0])

    (copy / "checkpoint.json").unlink()
    (copy / "model.safetensors").write_bytes(damaged)
    bv.run(*readers[0], "--task", "span")  # a Hugging Face folder like any other


def test_programs_refuse_a_checkpoint_whose_tokenizer_changed(made, corpus, tmp_path):
    copy = copy_of(made["checkpoint"], tmp_path)
    with open(copy / "vocab.txt", "a", encoding="utf-8") as file:
        file.write("[unused]\n")
    command = ["bv_prepare", "--squad", corpus / "dev.json", "--model", copy, "--output", tmp_path / "dev.h5"]
    assert f"{copy / 'vocab.txt'}: it is damaged" in refusal(*command)
    marker = bv.read_json(copy / "checkpoint.json")
    for key in ("files", "seal"):
        del marker[key]
    (copy / "checkpoint.json").write_text(bv.json.dumps(marker), encoding="utf-8")  # as the message says
    bv.run(*command)


def test_programs_refuse_damaged_heads_logits_and_features(made, tmp_path):
    head = copy_of(made["head"], tmp_path)
    flip_in(head / "head.safetensors")
    line = refusal("bv_eval", "--head", head, "--store", made["store"], "--output", tmp_path / "out")
    assert str(head / "head.safetensors") in line and "damaged" in line

    logits = copy_of(made["logits"], tmp_path)
    flip_in(logits)
    line = refusal("bv_eval", "--logits", logits, "--features", made["features"], "--output", tmp_path / "out")
    assert str(logits) in line and "damaged" in line

    features = copy_of(made["features"], tmp_path)
    flip_in(features)
    line = refusal("bv_eval", "--logits", made["logits"], "--features", features, "--output", tmp_path / "out")
    assert f"{features}:/features/" in line and "damaged" in line


def test_a_store_with_damaged_tables_has_to_be_made_again(made, tmp_path):
    copy = copy_of(made["store"], tmp_path)
    bv.run("bv_store", "verify", copy)
    whole = copy.read_bytes()
    (place,) = (begin for name, begin, _ in datasets_outside_metadata(copy) if name == "features/ids")
    metadata = whole.index(b"features_fingerprint")
    for byte, words in ((place, "/features/ids is damaged"), (metadata, "checksum")):
        changed = bytearray(whole)
        changed[byte] ^= 1
        copy.write_bytes(changed)
        for action in ("info", "verify", "repair"):
            line = refusal("bv_store", action, copy)
            assert words in line and "bv_extract --force makes the store again" in line
        assert copy.read_bytes() == changed


def of_version(kind, path, version):
    """Gives a file or folder another version of its format, under the file's own checksums."""
    if kind in ("features", "store"):
        with h5py.File(path, "r+", locking=False) as file:
            (file["features"] if kind == "features" else file).attrs.modify("version", np.int64(version))
        return path
    name, key = {"checkpoint": ("checkpoint.json", "format"), "head": ("head.json", "version")}[kind]
    described = bv.read_json(path / name)
    del described["seal"]
    (path / name).write_text(bv.json.dumps(described | {key: version}), encoding="utf-8")
    return path / name


@pytest.mark.parametrize("kind, wanted", [("features", 2), ("store", 3), ("checkpoint", 1), ("head", 2)])
def test_files_of_another_version_are_refused_by_name(kind, wanted, made, probe, tmp_path):
    for version in (wanted - 1, wanted, wanted + 1):
        copy = copy_of(made[kind], tmp_path / str(version))
        named = of_version(kind, copy, version)
        status, text = probe.read(kind, copy)
        if version == wanted:
            assert (status, text) == probe.read(kind, made[kind])
            continue
        found, reads = text.split("; this program reads ")
        assert status == "refused" and str(named) in found, text
        assert re.search(rf"\b{version}\b", found.replace(str(named), "")) and re.search(rf"\b{wanted}$", reads), text
