"""tools/bench/other_stores.py: all stores give the same bits in the same order, and its table is of what was measured."""

import importlib.util
import json
from types import SimpleNamespace

import bv
import numpy as np
import pytest

OTHERS = {"numpy memmap": "numpy", "zarr": "zarr", "Lance": "lance", "MosaicML Streaming": "streaming", "h5py": "h5py"}
PRESENT = [name for name, package in OTHERS.items() if importlib.util.find_spec(package)]
PLACES = ("disk", "page cache")


@pytest.fixture
def other_stores(monkeypatch):
    monkeypatch.syspath_prepend(bv.SOURCE / "tools" / "bench")
    import other_stores
    return other_stores


@pytest.fixture(scope="module")
def store(tiny_model, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", tiny_model, "--output", folder / "features.h5")
    bv.run("bv_extract", "--checkpoint", tiny_model, "--task", "span", "--features", folder / "features.h5", "--store",
           folder / "states.h5", "--dtype", "float16")
    return folder / "states.h5"


def listed(store):
    return json.loads(bv.run("store_probe", "list", store, ranks=1).stdout.strip().splitlines()[-1])


def test_the_probe_lists_every_feature_once_with_the_checksum_of_its_states(other_stores, store):
    from checksum import crc32c
    assert crc32c(np.frombuffer(b"123456789", np.uint8)) == 0xE3069283
    own = other_stores.Store(store)
    found = listed(store)
    order = [feature for feature, _ in found]
    assert sorted(order) == list(range(len(own))) != order
    assert [checksum for _, checksum in found] == [crc32c(own.states(feature)) for feature in order]


@pytest.mark.parametrize("name", PRESENT)
def test_another_store_gives_our_bits_in_any_order(other_stores, store, tmp_path, name):
    bv.run_tool("bench/peer_stores.py", "write", name, store, tmp_path / "other")
    order, checksums = zip(*listed(store))
    own = other_stores.Store(store)
    for workers, turn in ((0, 1), (2, -1)):
        np.save(tmp_path / "order.npy", own.position[list(order[::turn])])
        found = json.loads(bv.run_tool("bench/peer_stores.py", "read", name, store, tmp_path / "other", "--order",
                                       tmp_path / "order.npy", "--workers", workers, "--check").stdout)
        assert found["checksums"] == list(checksums[::turn])
        assert found["bytes"] == own.file["states"].nbytes


def test_other_bits_or_another_order_end_the_benchmark(other_stores):
    for wrong, place in (([1, 3, 2], 1), ([1, 2, 4], 2), ([1, 2], 2)):
        bench = SimpleNamespace(options=SimpleNamespace(workers=[2]), checksums=(1, 2, 3), features=3,
                                read_peer=lambda *_, of=wrong: {"checksums": of})
        with pytest.raises(other_stores.BenchError, match=f"zarr, 2 workers: other states than ours from feature {place}"):
            other_stores.Bench.check(bench, "zarr")


def test_one_run_measures_every_store_and_names_the_absent(tiny_model, corpus, tmp_path):
    result = bv.run_tool("bench/other_stores.py", "--model", tiny_model, "--squad", corpus, "--programs", bv.BIN, "--quick", "--json",
                         tmp_path / "bench.json", env={"SLURM_JOB_ID": ""}, timeout=300)
    whole = bv.read_json(tmp_path / "bench.json")
    assert set(whole["stores"]) == set(PRESENT)
    assert whole["absent"] == {name: package for name, package in OTHERS.items() if name not in PRESENT}
    assert all(stored["file_bytes"] >= whole["bytes"] for stored in whole["stores"].values())
    assert [(row["place"], row["store"]) for row in whole["rows"]] == [
        (place, name) for place in PLACES for name in ("plain calls", "ours", *PRESENT)]
    rates = {(row["place"], row["store"]): row["bytes_per_second"]["median"] for row in whole["rows"]}
    for row in whole["rows"]:  # of one round
        place = row["place"]
        assert row["share_of_raw"]["median"] == pytest.approx(rates[place, row["store"]] / rates[place, "plain calls"])
        assert row["ours_is_faster"]["median"] == pytest.approx(rates[place, "ours"] / rates[place, row["store"]])
    for place, verdict in zip(PLACES, whole["judged"], strict=True):
        assert rates[place, verdict["best"]] == max(rates[place, name] for name in PRESENT)
        assert verdict["ratio_met"] is (verdict["ratio"]["median"] >= 2)
        assert verdict["share_met"] is ((verdict["share_of_raw"]["median"] >= 0.95) if place == "disk" else None)
    table = [line for line in result.stdout.splitlines() if line.startswith("| ")]
    assert len(table) == 1 + 2 + len(OTHERS)
    for name in OTHERS:
        (line,) = (line for line in table if line.startswith(f"| {name} "))
        assert line.count("|") == table[0].count("|") and ("absent" in line) is (name not in PRESENT)
