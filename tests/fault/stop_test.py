"""SIGUSR1 at any moment of a program's life, from before main until it is gone, once or many times: exit code 85 with the state
saved, or 0 when the work is done anyway; the signal never kills a program, and nothing is ever half written."""

import contextlib
import os
import random
import signal
import subprocess
import time

import bv
import pytest

ROUNDS = int(os.environ.get("BV_FAULT_ROUNDS", "1"))
LAUNCHER = bv.SOURCE / "launch" / "run_ranks.sh"
COMPUTE = ["--device", "cpu", "--threads", 1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "SLURM_JOB_ID": ""}


@pytest.fixture(scope="module")
def inputs(corpus, model, tiny_model, tmp_path_factory):
    """Everything that the programs read: a features file, a checkpoint, a store."""
    folder = tmp_path_factory.mktemp("inputs")
    features = folder / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--output", features)
    bv.run("bv_finetune", "--model", tiny_model, "--features", features, "--checkpoints", 0, *COMPUTE, "--output", folder)
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", features, "--task", "span", "--block-mib", 0.02, *COMPUTE,
           "--store", folder / "store.h5")
    return folder


@pytest.fixture(scope="module")
def commands(inputs, corpus, model, tiny_model):
    """By program: its arguments for the output that it is given."""
    features, store = inputs / "train.h5", inputs / "store.h5"
    return {
        "bv_finetune": lambda out: ["--model", tiny_model, "--features", features, "--batch", 4, "--checkpoints", "1,2,3", *COMPUTE,
                                    "--output", out],
        "bv_extract": lambda out: ["--checkpoint", tiny_model, "--features", features, "--task", "span", "--block-mib", 0.02, *COMPUTE,
                                   "--store", out / "store.h5"],
        "bv_train": lambda out: ["--store", store, "--dev-store", store, "--heads", "learned_pooling", "--epochs", 4, *COMPUTE,
                                 "--output", out],
        "bv_eval": lambda out: ["--checkpoint", inputs / "checkpoints" / "epoch-0", "--features", features, *COMPUTE, "--output", out],
        "bv_store": lambda out: ["verify", store],
        "bv_prepare": lambda out: ["--squad", corpus / "train.json", "--model", model, "--output", out / "train.h5"],
        "bv_plan": lambda out: ["--config", bv.SOURCE / "configs" / "debug.toml", "--output", out / "plan.json"],
    }


PROGRAMS = ["bv_finetune", "bv_extract", "bv_train", "bv_eval", "bv_store", "bv_prepare", "bv_plan"]
KEEP_WHAT_THEY_HAVE = {"bv_finetune", "bv_extract", "bv_train"}


def start(command):
    """Starts it in a session of its own: mpirun signals a rank's process group, which may for a moment still be the caller's."""
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", env=ENVIRONMENT, start_new_session=True)


def wait_until(condition, process):
    until = time.monotonic() + 60
    while not condition() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.0002)


def tell(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)


def assert_ended_in_order(process, out):
    """Right exit code, nothing half written, nothing locked."""
    text = process.communicate(timeout=60)[0]
    assert process.returncode in (0, 85), f"{process.returncode}: {text}"
    if process.returncode == 85:
        assert "told to stop" in text, text
    left = [path.name for path in out.rglob("*")]
    assert not [name for name in left if name.endswith((".partial", ".lock"))], left


@pytest.mark.parametrize("program", PROGRAMS)
def test_told_before_main_and_ever_after(program, commands, tmp_path):
    process = start([bv.BIN / program, *commands[program](tmp_path)])
    wait_until(lambda: bv.takes_stop_signal(process.pid, program), process)
    while process.poll() is None:
        tell(process.pid)
        time.sleep(0.005)
    assert_ended_in_order(process, tmp_path)
    assert process.returncode == (0 if program in ("bv_prepare", "bv_plan") else 85)
    if program in KEEP_WHAT_THEY_HAVE:
        again = bv.run(program, *commands[program](tmp_path))
        assert program == "bv_extract" or "resumed after" in again.stderr, again.stderr


@pytest.mark.parametrize("program", ["bv_finetune", "bv_extract", "bv_eval"])
def test_ranks_told_as_they_start_and_ever_after(program, commands, tmp_path):
    process = start([*bv.mpirun(2), bv.BIN / program, *commands[program](tmp_path)])
    wait_until(lambda: len([pid for pid in bv.ranks_of(process) if bv.takes_stop_signal(pid, program)]) == 2, process)
    ranks = bv.ranks_of(process)
    while process.poll() is None:
        for pid in ranks:
            tell(pid)
        time.sleep(0.005)
    assert_ended_in_order(process, tmp_path)
    assert process.returncode == 85


@pytest.mark.parametrize("ranks", [None, 2])
def test_told_upon_the_last_line_of_the_log_the_work_is_done(commands, tmp_path, ranks):
    process = start([*([] if ranks is None else bv.mpirun(2)), bv.BIN / "bv_finetune", *commands["bv_finetune"](tmp_path)])
    told = [process.pid] if ranks is None else []
    for line in process.stdout:
        told = told or bv.ranks_of(process)
        if "time of rank 0" in line:
            break
    while process.poll() is None:
        for pid in told:
            tell(pid)
        time.sleep(0.001)
    assert process.returncode == 0
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["epoch-1", "epoch-2", "epoch-3"]
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["recipe.json"]


def descendants(pid):
    found = bv.children_of(pid)
    return found + [below for child in found for below in descendants(child)]


def runs(pid, program):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program
    except OSError:
        return False


@pytest.mark.parametrize("moment", ["bash", "orterun", "bv_finetune"])
def test_the_launcher_is_told_as_soon_as_it_or_what_it_starts_is_there(commands, tmp_path, moment):
    flags = [*commands["bv_finetune"](tmp_path)]
    flags[flags.index("--checkpoints") + 1] = 1000  # epochs: run_ranks.sh repeats the signal after a second, in which a fast machine does three
    process = start([LAUNCHER, "--ranks", 2, "--threads", 1, "--oversubscribe", "--", bv.BIN / "bv_finetune", *flags])
    if moment == "bash":
        wait_until(lambda: bv.takes_stop_signal(process.pid, "bash"), process)
    else:
        wait_until(lambda: any(runs(pid, moment) for pid in descendants(process.pid)), process)
    process.send_signal(signal.SIGUSR1)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 85, f"{process.returncode}: {text}"
    # Between the start of a rank and its first instruction the signal kills it: there is nothing to save then.
    nothing_yet = moment == "bash" or "before every rank could take the signal" in text
    assert nothing_yet or list(tmp_path.glob("resume/step-*/resume.json")), text


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_told_at_a_random_moment_or_two(commands, tmp_path, seed):
    draw = random.Random(seed)
    for program in PROGRAMS:
        out = tmp_path / program
        out.mkdir()
        for launcher in ([], [LAUNCHER, "--ranks", 2, "--threads", 1, "--oversubscribe", "--"]):
            if launcher and program == "bv_prepare":
                continue
            process = start([*launcher, bv.BIN / program, *commands[program](out / str(len(launcher)))])
            wait_until(lambda: bv.takes_stop_signal(process.pid, "bash" if launcher else program), process)
            for _ in range(draw.randrange(1, 3)):
                time.sleep(draw.random() * 1.2)
                tell(process.pid)
            assert_ended_in_order(process, out / str(len(launcher)))
