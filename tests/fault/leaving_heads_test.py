"""Heads leave a run of bv_train before the others, because they diverge or because their patience ends. Whenever the run is stopped
or killed, the others come out with the same bits."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

import bv
import pytest
from stopped_heads import make_recipe, results, start, wait_for_epochs

CHAIN = """\
task = "span"
blocks = [
    { type = "learned_pooling" },
    { type = "linear", width = 8 },
    { type = "linear", width = 8 },
    { type = "dropout", rate = 0.2 },
    { type = "linear", width = 8 },
    { type = "linear", width = 8 },
    { type = "linear", width = 2 },
]
"""
NARROW = 'task = "span"\nblocks = [{ type = "flatten" }, { type = "linear", width = 2 }]'  # eight have other bits than four


@pytest.fixture(scope="module")
def recipe(corpus, tiny_model, tmp_path_factory):
    return make_recipe(tmp_path_factory.mktemp("states"), tiny_model, corpus)


def of_chain(recipe, folder, rates="1e-2,1e-3,1e9", beside=""):
    """The recipe's flags for the head CHAIN, which diverges in the first epoch at a rate of 1e9."""
    (folder / "chain.toml").write_text(CHAIN)
    flags = [*recipe]
    flags[flags.index("--heads") + 1] = f"{folder / 'chain.toml'}{beside}"
    flags[flags.index("--learning-rate") + 1] = rates
    return flags


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_beside_a_head_that_diverges_the_others_go_on_with_the_same_bits_after_a_kill(recipe, tmp_path, ranks):
    flags = of_chain(recipe, tmp_path, beside=",learned_pooling")
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=ranks)
    diverged = [path for path in (tmp_path / "whole").rglob("metrics.json") if "diverged" in bv.read_json(path)]
    assert len(diverged) == 1 and "chain" in diverged[0].parts
    cut = tmp_path / "cut"
    process = bv.start("bv_train", *flags, "--output", cut, "--resume-every", 0.0005, ranks=ranks)
    wait_for_epochs(process, cut, 24)
    os.kill(bv.ranks_of(process)[-1], signal.SIGKILL)
    text, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, 2, 85), text
    assert "diverged" in text
    again = bv.run("bv_train", *flags, "--output", cut, ranks=ranks)
    assert again.stderr.count("has diverged; --force trains it again") == 1
    assert "resumed after" in again.stderr
    assert results(cut) == results(tmp_path / "whole")
    stopped = tmp_path / "stopped"
    process = bv.start("bv_train", *flags, "--output", stopped, "--resume-every", 0, ranks=ranks)
    wait_for_epochs(process, stopped, 1)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    bv.run("bv_train", *flags, "--output", stopped, ranks=ranks)
    assert results(stopped) == results(tmp_path / "whole")


def test_after_heads_have_left_a_group_the_others_go_on_with_the_same_bits_whatever_resume_every_says(recipe, tmp_path):
    flags = of_chain(recipe, tmp_path)
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    cut = tmp_path / "cut"
    process = start(flags, cut, "--resume-every", 0)
    wait_for_epochs(process, cut, 3)  # of two heads: the third has diverged in the first epoch
    os.kill(bv.ranks_of(process)[-1], signal.SIGKILL)
    text, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, 2, 85) and "diverged" in text, text
    again = bv.run("bv_train", *flags, "--output", cut, ranks=2)
    assert "resumed after" in again.stderr, again.stderr
    assert results(cut) == results(tmp_path / "whole")


def assert_killed_as_a_head_ends_the_others_go_on_with_the_same_bits(flags, folder, first):
    """No state is saved but the one that the end of the head `first` calls for."""
    for attempt in range(3):
        cut = folder / f"cut-{attempt}"
        process = start(flags, cut, "--resume-every", 0)
        until = time.monotonic() + 60
        ranks = []
        while not (cut / first / "metrics.json").exists() and process.poll() is None and time.monotonic() < until:
            ranks = ranks or bv.ranks_of(process)
        for rank in ranks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)
        text, _ = process.communicate(timeout=60)
        assert process.returncode not in (0, 2, 85), text
        again = bv.run("bv_train", *flags, "--output", cut, ranks=2)
        assert "resumed after" in again.stderr, again.stderr
        assert results(cut) == results(folder / "whole")


def test_killed_as_one_head_is_finished_the_others_go_on_with_the_same_bits(recipe, tmp_path):
    flags = [*recipe, "--patience", 3, "--seed", "1,2,3,4"]
    flags[flags.index("--held-out") + 1] = 0.3
    flags[flags.index("--learning-rate") + 1] = "1e-1,1e-12"  # the second learns nothing and ends after four epochs
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    ends = {path.parent.relative_to(tmp_path / "whole"): len(bv.read_json_lines(path))
            for path in (tmp_path / "whole").rglob("metrics.jsonl")}
    first = min(ends, key=ends.get)
    assert ends[first] == 4 and max(ends.values()) > 4
    assert_killed_as_a_head_ends_the_others_go_on_with_the_same_bits(flags, tmp_path, first)


def test_killed_as_one_head_diverges_the_others_go_on_with_the_same_bits(recipe, tmp_path):
    flags = of_chain(recipe, tmp_path)
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    first, = (path.parent.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("metrics.json")
              if "diverged" in bv.read_json(path))
    assert_killed_as_a_head_ends_the_others_go_on_with_the_same_bits(flags, tmp_path, first)


def of_narrow(recipe, folder, rates, seeds, epochs):
    """The recipe's flags for the head NARROW, whose bits depend on the number of heads in its group."""
    (folder / "narrow.toml").write_text(NARROW)
    flags = [*recipe, "--seed", seeds]
    for flag, value in (("--heads", folder / "narrow.toml"), ("--learning-rate", rates), ("--epochs", epochs)):
        flags[flags.index(flag) + 1] = value
    return flags


def test_heads_go_on_in_the_groups_that_memory_left_them(recipe, tmp_path):
    """Groups of 8 and 4 heads become 4 and 4. By their memory alone, all 8 would be one group."""
    flags = of_narrow(recipe, tmp_path, "1e-2,1e37,1e38,1e-3,2e-3,3e-3", "1,2", 4)
    text = bv.run("bv_train", *flags, "--output", tmp_path / "free", ranks=1).stderr
    kept, working = (float(number) * {"kB": 1e3, "MB": 1e6}[unit]
                     for number, unit in re.findall(r"([0-9.]+) (.B) (?:kept|during)", text))
    flags += ["--memory-gib", (kept + working * 8.5 / 12) / 2**30]
    whole = bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=1)
    assert "heads: 12, groups of similar heads: 2" in whole.stderr
    assert whole.stderr.count("diverged") == 4
    cut = tmp_path / "cut"
    process = bv.start("bv_train", *flags, "--output", cut, "--resume-every", 0, ranks=1)
    wait_for_epochs(process, cut, 8)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    again = bv.run("bv_train", *flags, "--output", cut, ranks=1)
    assert "heads: 8, groups of similar heads: 2" in again.stderr and "resumed after" in again.stderr
    assert results(cut) == results(tmp_path / "whole")
    assert results(tmp_path / "free") != results(tmp_path / "whole")  # as NARROW promises


@pytest.mark.parametrize("last", ["lr-1e-12-seed-1", "lr-1e-12-seed-4"])
def test_killed_as_narrow_heads_end_the_others_are_scored_with_the_same_bits(recipe, tmp_path, last):
    flags = [*of_narrow(recipe, tmp_path, "1e-3,1e-12", "1,2,3,4", 8), "--patience", 3]
    flags[flags.index("--held-out") + 1] = 0.3
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    lengths = {path.parent.name: len(bv.read_json_lines(path)) for path in (tmp_path / "whole").rglob("metrics.jsonl")}
    assert lengths[last] == 4 and max(lengths.values()) > 4, lengths
    assert_killed_as_a_head_ends_the_others_go_on_with_the_same_bits(flags, tmp_path, f"narrow/epoch-0/{last}")


def test_killed_as_all_heads_end_the_rest_is_finished_with_the_same_bits(recipe, tmp_path):
    flags = of_narrow(recipe, tmp_path, "1e-2,1e-3", "1,2,3,4", 2)
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    assert_killed_as_a_head_ends_the_others_go_on_with_the_same_bits(flags, tmp_path, "narrow/epoch-0/lr-0.01-seed-1")


def test_a_head_that_is_found_finished_loses_the_states_that_a_kill_left_there(recipe, tmp_path):
    flags = [*of_chain(recipe, tmp_path, rates="1e-3,1e9"), "--output", tmp_path / "heads"]
    bv.run("bv_train", *flags)
    finished = [path.parent for path in (tmp_path / "heads").rglob("metrics.json")]
    for folder in finished:
        for name in ("step-7", "step-9.prepared"):
            (folder / "resume" / name).mkdir()
            (folder / "resume" / name / "resume.json").touch()
        (folder / "resume" / "best-1").mkdir()
        shutil.copy(folder / "metrics.json", folder / "resume" / "best-1" / "head.json")
    again = bv.run("bv_train", *flags)
    assert "has diverged" in again.stderr and "trained already" in again.stderr
    assert [[path.name for path in (folder / "resume").iterdir()] for folder in finished] == [["recipe.json"]] * 2


def test_when_states_are_saved_does_not_decide_when_a_diverged_head_leaves(recipe, tmp_path):
    flags = of_chain(recipe, tmp_path)
    flags[flags.index("--batch") + 1] = 1
    flags[flags.index("--epochs") + 1] = 1
    for name, minutes in (("seldom", 10), ("often", 1e-9)):
        bv.run("bv_train", *flags, "--output", tmp_path / name, "--resume-every", minutes, ranks=2)
    assert results(tmp_path / "often") == results(tmp_path / "seldom")
    assert any("diverged" in bv.read_json(path) for path in (tmp_path / "seldom").rglob("metrics.json"))


def told_from_the_start(flags):
    """The exit code of a run that gets the signal as soon as it takes it."""
    process = subprocess.Popen([str(word) for word in (bv.BIN / "bv_train", *flags)], stderr=subprocess.DEVNULL)
    while process.poll() is None and not bv.takes_stop_signal(process.pid, "bv_train"):
        time.sleep(0.0005)
    process.send_signal(signal.SIGUSR1)
    return process.wait(timeout=60)


def test_told_to_stop_as_the_last_head_diverges_the_run_is_finished(recipe, tmp_path):
    """Its loss is finite at the first step alone, and the signal is there at every step."""
    flags = [*of_chain(recipe, tmp_path, rates="1e9"), "--output", tmp_path / "heads"]
    for attempt in range(4):
        told = told_from_the_start(flags)
        states_there = list(tmp_path.rglob("resume.json"))
        metrics = list(tmp_path.rglob("metrics.json"))
        assert (told, len(states_there), len(metrics)) in ((85, 1, 0), (0, 0, 1)), (attempt, told)
        if told == 0:
            break
    assert attempt > 0 and "diverged" in bv.read_json(metrics[0])
