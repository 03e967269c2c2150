"""tools/bench/heads.py on a disk held to a rate: what heads cost there, small enough to be measured each time."""

import bv
import pytest

RATE = 6  # MB/s: reading an epoch takes seconds, so that what else a busy machine does is small beside it


@pytest.fixture(scope="module")
def measured(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    corpus = bv.make_corpus(folder / "corpus", train=1200)
    result = bv.run_tool("bench/heads.py", "--model", tiny_model, "--squad", corpus, "--programs", bv.BIN, "--questions", 1200,
                         "--rounds", 1, "--throttle", RATE, "--folder", folder, "--json", folder / "bench.json", check=False,
                         timeout=400)
    if "right to make control groups" in result.stderr:
        pytest.skip("no right to hold a disk to a rate (control groups of the kernel, version 1)")
    assert result.rc == 0, result.stderr
    whole = bv.read_json(folder / "bench.json")
    (slow,) = (row for row in whole["together"] if row["limit"])
    return result.stdout, whole, slow


def test_twenty_heads_on_a_slow_disk_cost_little_more_than_one(measured):
    text, whole, slow = measured
    assert (slow["limit"], whole["heads_together"]) == (RATE * 1e6, 20)
    assert slow["ratio"]["median"] == pytest.approx(slow["many"]["seconds"]["median"] / slow["one"]["seconds"]["median"])
    assert slow["ratio"]["median"] <= 1.3 and slow["met"]
    assert f"a disk of {RATE} MB/s" in text


def test_a_slow_disk_is_read_at_its_full_rate(measured):
    _, _, slow = measured
    for row in (slow["one"], slow["many"]):
        # The upper bound is wide: part of the first window can be read before the clock of the epoch starts.
        assert 0.8 * RATE * 1e6 < row["bytes_per_second"]["median"] < 2.5 * RATE * 1e6
        assert row["waiting"]["median"] > 0.5  # a head as small as these does not keep it up
