"""What the Python tests share: where things are, how programs are run, small inputs.

Places come from the environment (CTest sets it): BV_SOURCE (the repository), BV_BIN (the programs), BV_MODEL (a real
small BERT's folder), BV_SHARED (reference data; may be absent), BV_MPIRUN and BV_MPIRUN_FLAGS.
"""

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(os.environ.get("BV_SOURCE") or Path(__file__).resolve().parents[2])
BIN = Path(os.environ.get("BV_BIN") or SOURCE / "build" / "release" / "bin")


class Result(NamedTuple):
    """How a command ended."""

    rc: int
    stdout: str
    stderr: str


def _folder(variable):
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} names no folder: {value!r}")
    return Path(value)


def model_folder():
    """The real small BERT's folder (BV_MODEL); skips the test where there is none."""
    return _folder("BV_MODEL")


def shared_folder():
    """The reference data's folder (BV_SHARED); skips the test where there is none."""
    return _folder("BV_SHARED")


def run_command(command, *, check=True, timeout=120, env=None, cwd=None):
    """Runs a command with one thread a process. A command that outlives timeout (seconds) is killed with its children."""
    command = [str(part) for part in command]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        cwd=cwd,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        pytest.fail(
            f"no end after {timeout} s: {shlex.join(command)}\n{stdout[-4000:]}\n{stderr[-4000:]}",
            pytrace=False,
        )
    result = Result(process.returncode, stdout, stderr)
    if check and result.rc != 0:
        pytest.fail(
            f"exit code {result.rc}: {shlex.join(command)}\n{stdout[-4000:]}\n{stderr[-4000:]}", pytrace=False
        )
    return result


def mpirun(ranks):
    """The start of a command line that runs a program on so many ranks."""
    return [
        os.environ.get("BV_MPIRUN") or "mpirun",
        "-n",
        str(ranks),
        *shlex.split(os.environ.get("BV_MPIRUN_FLAGS", "")),
    ]


def run(program, *args, ranks=None, check=True, timeout=120, env=None, cwd=None):
    """Runs one of our programs by its name ("bv_eval"), under mpirun where ranks are given."""
    path = BIN / program
    if not path.is_file():
        pytest.fail(f"{path} is not built", pytrace=False)
    launcher = [] if ranks is None else mpirun(ranks)
    return run_command([*launcher, path, *args], check=check, timeout=timeout, env=env, cwd=cwd)


def start(program, *args, ranks):
    """Starts one of our programs under mpirun, its output and errors together in a pipe; returns the process."""
    command = [*mpirun(ranks), BIN / program, *args]
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def children_of(pid):
    """Process ids of its children. They are there at once, before a fast program ends: no other program has to start."""
    assert Path("/proc/thread-self/children").exists(), "this kernel does not list children (CONFIG_PROC_CHILDREN)"
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in _of_process(file).split()]


def ranks_of(process):
    """Process ids of the ranks below an mpirun that `start` started."""
    return [pid for pid in children_of(process.pid) if str(BIN) in _of_process(f"/proc/{pid}/cmdline")]


def tell_to_stop(process):
    """Sends SIGUSR1 to the mpirun that `start` started. Its ranks stand still until each one has the signal: on a fast machine
    they would come to their end before."""
    ranks = ranks_of(process)
    _send(ranks, signal.SIGSTOP)
    try:
        _wait_for_ranks(process, ranks, lambda pid: _status(pid)["State"][0] in "TZX")
        process.send_signal(signal.SIGUSR1)
        _wait_for_ranks(process, ranks, lambda pid: _status(pid)["State"][0] in "ZX" or _has_stop_signal(pid, "ShdPnd"))
    finally:
        _send(ranks, signal.SIGCONT)


def takes_stop_signal(pid, program):
    """Whether the process has become the program and takes SIGUSR1."""
    try:
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) != program:
            return False
    except OSError:
        return False
    return _has_stop_signal(pid, "SigCgt")


def _of_process(file):
    """Text of a file below /proc; empty if the process is gone."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _status(pid):
    """The fields of /proc/PID/status; of a process that is gone its state Z alone."""
    return dict(line.split(":\t", 1) for line in _of_process(f"/proc/{pid}/status").splitlines()) or {"State": "Z"}


def _has_stop_signal(pid, mask):
    return bool(int(_status(pid).get(mask, "0"), 16) >> (signal.SIGUSR1 - 1) & 1)


def _send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_for_ranks(process, ranks, condition):
    until = time.monotonic() + 60
    while process.poll() is None and not all(map(condition, ranks)):
        assert time.monotonic() < until, [_status(pid) for pid in ranks]
        time.sleep(0.0005)


def error_lines(text):
    """The lines of a program's output that say what went wrong."""
    return [line for line in text.splitlines() if line.startswith("error: ")]


def run_tool(script, *args, check=True, timeout=120, env=None, cwd=None):
    """Runs a Python script of tools/ by its path there ("report/report.py")."""
    return run_command(
        [sys.executable, SOURCE / "tools" / script, *args], check=check, timeout=timeout, env=env, cwd=cwd
    )


def make_corpus(output, *, train=24, dev=12, seed=0):
    """Writes train.json and dev.json (SQuAD 2.0, so many questions each) into the folder output and returns it."""
    run_tool("make_corpus.py", "--output", output, "--train", train, "--dev", dev, "--seed", seed)
    return Path(output)


def write_model(folder, *, seed=0):
    """Writes a small random BERT (a Hugging Face folder) with the real model's vocabulary; returns the folder.

    The wide initializer makes states differ from layer to layer, so that a mistaken layer order cannot hide.
    """
    import torch
    from transformers import BertConfig, BertModel

    folder = Path(folder)
    real = model_folder()
    vocabulary = (real / "vocab.txt").read_text(encoding="utf-8").splitlines()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    shutil.copy(real / "vocab.txt", folder)
    if (real / "tokenizer_config.json").is_file():
        shutil.copy(real / "tokenizer_config.json", folder)
    return folder


def read_json(path):
    """A JSON file's content."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def digest(path):
    """SHA-256 of a file, for comparisons: a test that fails should not show a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights(output):
    """The digest of each checkpoint's weights in the output folder of bv_finetune, by the checkpoint's name."""
    return {path.parent.name: digest(path) for path in sorted(Path(output).glob("checkpoints/epoch-*/model.safetensors"))}


def content(path):
    """What a file of results says: its digest, or a JSON object without `made` (the job, host and time that made it)."""
    path = Path(path)
    if path.suffix != ".json":
        return digest(path)
    return {key: value for key, value in read_json(path).items() if key != "made"}


def read_json_lines(path):
    """The objects of a JSON lines file."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]
