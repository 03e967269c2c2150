"""The page of a run on as many questions as SQuAD 2.0's dev set has, with 15 checkpoints and 25 heads at three of them."""

import json
import sys

import bv
import pytest

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
from chromium import find_chromium

MOST_MEGABYTES, MOST_SECONDS = 15, 2


def test_the_page_is_small_and_soon_usable(tmp_path):
    if not find_chromium():
        pytest.skip("no Chromium for tests here")
    told = json.loads(bv.run_tool("bench/report.py", "--output", tmp_path / "full", "--seeds", 1, "--page").stdout)
    print(told)
    assert (told["questions"], told["systems"]) == (11_873, 15 + 75 + 1)  # one more: BERT that never says "none"
    assert told["page_mb"] <= MOST_MEGABYTES
    assert told["load_seconds"] <= MOST_SECONDS
