"""A real Slurm for the tests of this folder, and what they submit to it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bv
import pytest

CLUSTER = bv.SOURCE / "tests" / "slurm" / "cluster.sh"


class Cluster:
    """A Slurm of the nodes n1 and n2, its files, and the site file of its jobs."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {"SLURM_CONF": str(folder / "cluster" / "slurm.conf"), "BV_SITE": self.site("mpirun", bv.BIN), "BV_HOME": ""}

    def command(self, name, node=None):
        """start, stop, kill-node or start-node; the daemons must not hold this test's pipes."""
        said = self.folder / "said"
        with open(said, "w", encoding="utf-8") as file:
            done = subprocess.run([CLUSTER, name, self.folder / "cluster", *([node] if node else [])], stdin=subprocess.DEVNULL,
                                  stdout=file, stderr=file, timeout=120, check=False)
        return done.returncode, said.read_text()

    def site(self, launcher, programs):
        """A site file as a user would fill it in; ranks on two nodes of one machine must not take each other's memory for theirs."""
        path = self.folder / f"site-{launcher}-{Path(programs).name}.sh"
        (self.folder / "tmp").mkdir(exist_ok=True)
        path.write_text(
            f"BV_SITE={path} && export BV_SITE\nexport BV_BIN={programs} BV_PYTHON={sys.executable} BV_LAUNCHER={launcher}\n"
            "export BV_LAUNCHER_FLAGS=--oversubscribe OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo\n"
            f"export TMPDIR={self.folder}/tmp PYTHONDONTWRITEBYTECODE=1\n")
        return str(path)

    def run(self, *command, check=True, env=None, cwd=bv.SOURCE):
        return bv.run_command(command, check=check, env={**self.env, **(env or {})}, cwd=cwd)

    def submit(self, script, log, *flags, options=(), env=None, cwd=bv.SOURCE):
        return self.run("sbatch", "--parsable", f"--output={log}", *options, bv.SOURCE / "slurm" / script, *flags, env=env, cwd=cwd).stdout.strip()

    def job(self, job):
        """What Slurm says of a job: JobState, Restarts, ExitCode, ..."""
        text = self.run("scontrol", "show", "job", "--oneliner", job).stdout.splitlines()[0]
        return dict(re.findall(r"(\w+)=(\S*)", text))

    def wait(self, job, *states, timeout=150):
        """Waits until a job has ended, or is in one of `states`; returns what Slurm says of it."""
        until = time.monotonic() + timeout
        states = states or ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        while (found := self.job(job))["JobState"] not in states:
            assert time.monotonic() < until, f"job {job} is {found['JobState']} ({found['Reason']}) after {timeout} s"
            time.sleep(0.2)
        return found

    def queue(self):
        return self.run("squeue", "--noheader", "--array", "--format=%i").stdout.split()


def left_behind(folder):
    """Processes and mounts that know a cluster's folder."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            knows = f"{folder}/" in (entry / "environ").read_text(errors="replace") + (entry / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if knows and int(entry.name) != os.getpid():
            found.append((entry / "cmdline").read_text(errors="replace").replace("\0", " "))
    return found


@pytest.fixture(scope="session")
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="bv-slurm-", dir="/tmp"))  # short: it holds sockets
    folder.chmod(0o755)  # or munged refuses it
    one = Cluster(folder)
    try:
        code, said = one.command("start")
        if code == 77:
            pytest.skip(said.strip())
        assert code == 0, said
        yield one
    finally:
        if (folder / "cluster").exists():
            code, said = one.command("stop")
            assert code == 0, said
        left = left_behind(folder)
        shutil.rmtree(folder)
        assert not left


@pytest.fixture(scope="session")
def features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--limit", 12,
           "--output", path)
    return path


def write_config(path, *steps, more=""):
    """A study whose tuning keeps checkpoints after `steps` steps; the batch is all features, so a step is an epoch."""
    epochs = ",".join(str(step) for step in steps)
    path.write_text(f'[study]\ntasks = ["span"]\n[finetune]\ncheckpoints = "{epochs}"\nbatch = 1000\nlearning_rate = 1e-3\n'
                    f'optimizer = "adamw"\nweight_decay = 0.01\nclip = 1.0\ndevice = "cpu"\nprecision = "float32"\n{more}')
    return path


@pytest.fixture(scope="session")
def config():
    """The function that writes a study."""
    return write_config


class Tuning:
    """A run's folder with features, and the flags of its fine-tuning."""

    def __init__(self, folder, model, features, *steps, more=""):
        self.run = folder / "run"
        (self.run / "features").mkdir(parents=True)
        (self.run / "features" / "train.h5").symlink_to(features)
        self.output = self.run / "span" / "seed-1"
        self.log = folder / "log"
        self.flags = ["--config", write_config(folder / "study.toml", *steps, more=more), "--model", model, "--run", self.run]

    def wait_for_step(self, step, timeout=60):
        path = self.output / "metrics" / "finetune.jsonl"
        until = time.monotonic() + timeout
        while not path.exists() or path.read_text().count('"step"') < step:
            assert time.monotonic() < until, f"no step {step}: {self.text()}"
            time.sleep(0.02)

    def hold(self):
        """Stops the ranks where they are: on a fast machine the run would end before its node does."""
        for pid in subprocess.run(["pgrep", "-x", "bv_finetune"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
            if str(self.run) in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                os.kill(int(pid), signal.SIGSTOP)

    def text(self):
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def tune(tmp_path, tiny_model, features):
    """Makes a Tuning that keeps checkpoints after so many steps; `more` are lines of its table [finetune]."""
    return lambda *steps, more="": Tuning(tmp_path, tiny_model, features, *steps, more=more)


@pytest.fixture
def tuning(tune):
    return tune(0, 300)


@pytest.fixture
def programs(tmp_path, cluster):
    """Puts a script of bash in the place of a program; returns the environment of jobs that use it."""

    def replace(name, script):
        folder = tmp_path / f"programs-{tmp_path.name}"
        folder.mkdir(exist_ok=True)
        for real in ("bv_prepare", "bv_finetune", "bv_extract", "bv_train", "bv_eval", "bv_plan"):
            if not (folder / real).exists():
                (folder / real).symlink_to(bv.BIN / real)
        (folder / name).unlink()
        (folder / name).write_text(script if script.startswith("#!") else f"#!/usr/bin/env bash\n{script}\n")
        (folder / name).chmod(0o755)
        return {"BV_SITE": cluster.site("mpirun", folder)}

    return replace
