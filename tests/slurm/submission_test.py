"""What submissions refuse, and what the launcher does under a real Slurm."""

import os
import time
from pathlib import Path

import bv
import pytest

TWO_NODES = ("--nodes=2", "--ntasks-per-node=1")
JOBS = bv.SOURCE / "slurm"
WAITING = "trap 'exit 85' USR1; while true; do sleep 0.1; done"


def test_a_second_job_of_one_run_is_refused_and_a_cancelled_one_is_not_requeued(cluster, tuning, programs, tmp_path):
    first = cluster.submit("finetune.sh", tuning.log, *tuning.flags, env=programs("bv_finetune", WAITING))
    until = time.monotonic() + 60
    while not Path(f"{tuning.output}.job").is_symlink():
        assert time.monotonic() < until, tuning.text()
        time.sleep(0.1)
    second = cluster.submit("finetune.sh", tmp_path / "second", *tuning.flags)
    assert cluster.wait(second)["ExitCode"] == "2:0"
    assert f"error: slurm/finetune.sh: {tuning.output} is being made by job {first}; wait for it, or scancel {first}" in (
        tmp_path / "second").read_text()
    assert cluster.job(first)["JobState"] == "RUNNING"
    cluster.run("scancel", first)
    ended = cluster.wait(first)
    assert (ended["JobState"], ended["Restarts"]) == ("CANCELLED", "0")
    Path(f"{tuning.output}.job").unlink(missing_ok=True)
    Path(f"{tuning.output}.job").symlink_to(first)  # as a job leaves it that is killed
    third = cluster.submit("finetune.sh", tmp_path / "third", *tuning.flags)
    assert cluster.wait(third)["JobState"] == "COMPLETED", (tmp_path / "third").read_text()
    assert f"job {first} left {tuning.output} unfinished" in (tmp_path / "third").read_text()


def test_submission_from_another_folder_needs_to_know_the_repository(cluster, tuning, programs, tmp_path):
    env = programs("bv_finetune", "exit 0")
    lost = cluster.submit("finetune.sh", tmp_path / "lost", *tuning.flags, env=env, cwd=tmp_path)
    assert cluster.wait(lost)["ExitCode"] == "2:0"
    assert f"{tmp_path} is not BERTVision's folder; submit from there, or set BV_HOME to it" in (tmp_path / "lost").read_text()
    flags = [*tuning.flags[:-1], "run"]  # relative to where it is submitted
    found = cluster.submit("finetune.sh", tuning.log, *flags, env={**env, "BV_HOME": str(bv.SOURCE)}, cwd=tmp_path)
    assert cluster.wait(found)["JobState"] == "COMPLETED", tuning.text()
    assert (tuning.run / "jobs" / f"finetune-{found}.json").exists()


@pytest.mark.parametrize("stand_in, script, flags, words", [
    ("sha256sum", 'echo "build-of-$SLURMD_NODENAME"', [], "rank 1 (host n2) has another build of the program (build-of-n2) than"),
    ("stat", '[ "$SLURMD_NODENAME" = n1 ] && exec /usr/bin/stat "$@"; exit 1', [], "rank 1 (host n2) does not see"),
    ("stat", '[ "$SLURMD_NODENAME" = n1 ] && echo 5 || echo 7', [], "rank 1 (host n2) sees another"),
    ("nvidia-smi", '[ "$SLURMD_NODENAME" = n1 ] && echo NVIDIA || exit 9', ["--gpus"], "rank 1 (host n2) sees no GPU of its own"),
])
def test_the_launcher_refuses_before_it_starts(cluster, tmp_path, features, stand_in, script, flags, words):
    (tmp_path / stand_in).write_text(f"#!/usr/bin/env bash\n{script}\n")
    (tmp_path / stand_in).chmod(0o755)
    refused = cluster.run("salloc", "--quiet", *TWO_NODES, bv.SOURCE / "launch" / "run_ranks.sh", "--ranks", 2, "--per-node", 1, *flags,
                          "--oversubscribe", "--preflight", "--", "touch", features, tmp_path / "started",
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": f"{cluster.folder}/tmp",
                               "BV_MPIRUN": "mpirun"},  # named by its path it puts its own folder before ours on PATH
                          check=False)
    assert refused.rc == 2
    assert f"error: preflight: {words}" in refused.stderr
    assert not (tmp_path / "started").exists()


def test_the_cluster_of_these_tests_says_why_it_cannot_run(tmp_path):
    command = [bv.SOURCE / "tests" / "slurm" / "cluster.sh", "start", tmp_path / "cluster"]
    refused = bv.run_command([*(["setpriv", "--reuid", 65534] if os.geteuid() == 0 else []), *command], check=False)
    assert refused.rc == 77 and refused.stderr == "cluster.sh: no Slurm for tests here: it needs root\n"
    assert not (tmp_path / "cluster").exists()


@pytest.mark.parametrize("script", ["prepare.sh", "finetune.sh", "extract.sh", "train.sh", "evaluate.sh", "report.sh"])
def test_scripts_explain_themselves_and_refuse_to_run_outside_a_job(script):
    helped = bv.run_command([JOBS / script, "--help"])
    assert helped.stdout.startswith(f"Usage: sbatch [SBATCH FLAGS] slurm/{script} [FLAGS]") and not helped.stderr
    assert ("ranks" in helped.stdout) == (script not in ("prepare.sh", "report.sh"))  # these two are one process
    refused = bv.run_command([JOBS / script, "--run", "x"], check=False)
    assert refused.rc == 2 and f"this is a job: sbatch slurm/{script}" in refused.stderr
