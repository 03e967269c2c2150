"""Two real runs on one output: the second is refused before any work, with the name of the first, and the first comes to its end;
a killed run's lock blocks nobody; no lock is left behind."""

import fcntl
import os
import signal
import time

import bv
import pytest

COMPUTE = ["--device", "cpu", "--threads", 1]


@pytest.fixture(scope="module")
def inputs(corpus, model, tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    features = folder / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--output", features)
    bv.run("bv_finetune", "--model", tiny_model, "--features", features, "--checkpoints", 0, *COMPUTE, "--output", folder)
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", "span", *COMPUTE, "--store", folder / "store.h5")
    return folder


@pytest.fixture(scope="module")
def commands(inputs, tiny_model):
    features, store = inputs / "train.h5", inputs / "store.h5"
    return {
        "bv_finetune": ["--model", tiny_model, "--features", features, "--batch", 4, "--checkpoints", "1,2,3", *COMPUTE],
        "bv_train": ["--store", store, "--dev-store", store, "--heads", "learned_pooling", "--epochs", 10, *COMPUTE],
        "bv_eval": ["--checkpoint", inputs / "checkpoints" / "epoch-0", "--features", features, *COMPUTE],
    }


LOCKS = {"bv_finetune": ".lock", "bv_train": "learned_pooling/epoch-0/lr-0.001-seed-1/.lock", "bv_eval": ".lock"}
RESULTS = {"bv_finetune": "checkpoints/epoch-3/checkpoint.json", "bv_train": "learned_pooling/epoch-0/lr-0.001-seed-1/metrics.json",
           "bv_eval": "metrics.json"}
WORKING = {"bv_finetune": "metrics/finetune.jsonl", "bv_train": "learned_pooling/epoch-0/lr-0.001-seed-1/metrics.jsonl", "bv_eval": ".lock"}


def hold(program, command, output):
    """Starts a run on 2 ranks and stops its ranks in the middle of it."""
    process = bv.start(program, *command, "--output", output, ranks=2)
    until = time.monotonic() + 60
    while not (output / WORKING[program]).exists() or not (output / LOCKS[program]).exists():
        assert time.monotonic() < until and process.poll() is None, process.communicate()[0]
        time.sleep(0.001)
    ranks = bv.ranks_of(process)
    for pid in ranks:
        os.kill(pid, signal.SIGSTOP)
    assert (output / LOCKS[program]).exists()
    return process, ranks


def locks_below(folder):
    return [path for path in folder.rglob("*") if path.name.endswith(".lock")]


@pytest.mark.parametrize("program", ["bv_finetune", "bv_train", "bv_eval"])
def test_a_second_run_is_refused_by_name_and_the_first_comes_to_its_end(program, commands, tmp_path):
    output = tmp_path / "out"
    first, ranks = hold(program, commands[program], output)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    for number in (1, 2) if program == "bv_finetune" else (2,):
        second = bv.run(program, *commands[program], "--output", output, "--force", ranks=number, check=False)
        errors = bv.error_lines(second.stderr)
        assert second.rc == 2 and len(errors) == 1, second.stderr
        assert "is being written by another process (host " in errors[0] and str(output / LOCKS[program]) in errors[0]
        assert f" pid {ranks[0]} " in errors[0] or f" pid {ranks[1]} " in errors[0], (errors, ranks)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before
    for pid in ranks:
        os.kill(pid, signal.SIGCONT)
    text = first.communicate(timeout=60)[0]
    assert first.returncode == 0, text
    assert (output / RESULTS[program]).exists() and not locks_below(output)


@pytest.mark.parametrize("program", ["bv_finetune", "bv_train", "bv_eval"])
def test_a_killed_runs_lock_is_taken_over(program, commands, tmp_path):
    output = tmp_path / "out"
    first, ranks = hold(program, commands[program], output)
    for pid in ranks:
        os.kill(pid, signal.SIGKILL)
    first.communicate(timeout=60)
    assert (output / LOCKS[program]).exists()
    bv.run(program, *commands[program], "--output", output, ranks=2)
    assert (output / RESULTS[program]).exists() and not locks_below(output)


def test_other_heads_are_trained_into_the_same_folder_meanwhile(commands, tmp_path):
    first, ranks = hold("bv_train", commands["bv_train"], tmp_path)
    other = [*commands["bv_train"]]
    other[other.index("learned_pooling")] = "span_probe"
    bv.run("bv_train", *other, "--output", tmp_path)
    assert list(tmp_path.glob("span_probe/*/*/metrics.json"))
    for pid in ranks:
        os.kill(pid, signal.SIGCONT)
    assert first.wait(timeout=60) == 0
    assert not locks_below(tmp_path)


def test_errors_leave_neither_a_lock_nor_a_folder_without_content(commands, tmp_path):
    refused = bv.run("bv_finetune", *commands["bv_finetune"], "--resume", "must", "--output", tmp_path / "new" / "out", ranks=2,
                     check=False)
    assert refused.rc == 2, refused.stderr
    wrong = [*commands["bv_eval"]]
    wrong[wrong.index("--features") + 1] = tmp_path / "gone.h5"
    assert bv.run("bv_eval", *wrong, "--output", tmp_path / "eval", check=False).rc == 2
    assert not list(tmp_path.iterdir())


def test_two_preparations_of_one_file_do_not_meet(corpus, model, tmp_path):
    command = ["--squad", corpus / "train.json", "--model", model, "--output", tmp_path / "train.h5"]
    first = bv.start("bv_prepare", *command, ranks=1)
    until = time.monotonic() + 60
    while not (tmp_path / "train.h5.lock").exists():
        assert time.monotonic() < until and first.poll() is None
        time.sleep(0.0005)
    pid, = bv.ranks_of(first)
    os.kill(pid, signal.SIGSTOP)
    second = bv.run("bv_prepare", *command, check=False)
    os.kill(pid, signal.SIGCONT)
    assert first.wait(timeout=60) == 0
    assert second.rc == 2 and f"is being written by another process (host {os.uname().nodename} pid {pid} " in second.stderr, second.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.h5", "train.h5.toml"]


@pytest.mark.parametrize("program", ["bv_extract", "bv_store", "bv_plan"])
def test_an_output_that_another_process_writes_is_not_looked_at(program, inputs, tiny_model):
    """The other process may be about to change all of it: what is found there would say nothing."""
    store = inputs / "store.h5"
    command = {"bv_plan": ["--config", bv.SOURCE / "configs" / "debug.toml", "--output", store, "--force"],
               "bv_extract": ["--checkpoint", tiny_model, "--features", inputs / "gone.h5", "--task", "span", "--store", store],
               "bv_store": ["repair", store]}[program]
    with open(f"{store}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("another process")
        lock.flush()
        refused = bv.run(program, *command, *COMPUTE, ranks=2, check=False)
    os.unlink(f"{store}.lock")
    errors = bv.error_lines(refused.stderr)
    assert refused.rc == 2 and len(errors) == 1 and "is being written by another process (another process," in errors[0], refused.stderr
