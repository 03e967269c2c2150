"""The launcher of all scripts, under the real mpirun and, for Open MPI's banners, under one that only prints them."""

import os
import re
import signal
import subprocess
import sys
import time

import bv
import pytest
from small_study import pretend_tuning

LAUNCHER = bv.SOURCE / "launch" / "run_ranks.sh"
RULE = "-" * 74

BANNERS_OF_ABORT = f"""failure: rank 1 of 2: no such tensor
{RULE}
MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD
with errorcode 3.

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
You may or may not see output from other processes, depending on
exactly when Open MPI kills them.
{RULE}
[host:06702] 1 more process has sent help message help-mpi-api.txt / mpi-abort
[host:06702] Set MCA parameter "orte_base_help_aggregate" to 0 to see all help / error messages
"""

BANNERS_OF_SIGNAL = f"""{RULE}
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
{RULE}
{RULE}
mpirun noticed that process rank 3 with PID 0 on node node-7 exited on signal 9 (Killed).
{RULE}
"""

MISTAKE_OF_USE = f"""{RULE}
mpirun was unable to find the specified host file:

Host file: nowhere
{RULE}
"""


def launch(*args, ranks=2, check=False, **more):
    env = {"SLURM_JOB_ID": "", **more.pop("env", {})}  # cores are counted only outside a job
    return bv.run_command([LAUNCHER, "--ranks", ranks, *args], check=check, env=env, **more)


def launch_fake(folder, script, *args):
    """Runs the launcher with a script in mpirun's place."""
    fake = folder / "mpirun"
    fake.write_text(f"#!/usr/bin/env bash\n{script}\n")
    fake.chmod(0o755)
    return launch(*args, "--", "true", env={"BV_MPIRUN": str(fake)})


@pytest.mark.parametrize("code", [0, 2, 85])
def test_exit_code_of_the_program_passes_through(code):
    result = launch("--", "bash", "-c", f"exit {code}")
    assert result.rc == code
    assert result.stderr == ""


def test_every_rank_runs_once():
    result = launch("--", "bash", "-c", "echo $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE", ranks=4)
    assert result.rc == 0
    assert sorted(result.stdout.split("\n")) == ["", "0 of 4", "1 of 4", "2 of 4", "3 of 4"]


def test_killed_rank_is_named():
    # On a busy machine Open MPI now and then ends without its closing message, the only one that names the rank.
    for _ in range(3):
        result = launch("--", "bash", "-c", 'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then kill -KILL $$; fi; sleep 20')
        assert result.rc == 128 + signal.SIGKILL
        if "mpirun did not say which" not in result.stderr:
            break
    assert result.stderr.startswith("rank 1 killed by signal 9 (Killed) on ")
    assert result.stderr.count("\n") == 1


def test_a_killed_rank_is_told_where_mpirun_says_nothing(tmp_path):
    result = launch_fake(tmp_path, "exit 137")
    assert result.rc == 137
    assert result.stderr == "a rank was killed by signal 9; mpirun did not say which\n"


def test_lines_of_ranks_stay_and_banners_go(tmp_path):
    (tmp_path / "text").write_text(BANNERS_OF_ABORT)
    result = launch_fake(tmp_path, f"cat {tmp_path}/text >&2; exit 3")
    assert result.rc == 3
    assert result.stderr == "failure: rank 1 of 2: no such tensor\n"


def test_line_about_the_killed_rank_stays(tmp_path):
    (tmp_path / "text").write_text(BANNERS_OF_SIGNAL)
    result = launch_fake(tmp_path, f"cat {tmp_path}/text >&2; exit 137")
    assert result.rc == 137
    assert result.stderr == "rank 3 killed by signal 9 (Killed) on node-7\n"


def test_what_mpirun_says_of_mistakes_stays(tmp_path):
    (tmp_path / "text").write_text(MISTAKE_OF_USE)
    result = launch_fake(tmp_path, f"cat {tmp_path}/text >&2; exit 1")
    assert result.rc == 1
    assert "unable to find the specified host file" in result.stderr
    assert "nowhere" in result.stderr


def test_ranks_are_bound_to_their_threads_where_cores_suffice(tmp_path):
    result = launch_fake(tmp_path, 'echo "$@"', "--threads", "3", "--hostfile", "hosts")
    assert "--hostfile hosts" in result.stdout
    assert "--map-by slot:PE=3" in result.stdout
    assert "oversubscribe" not in result.stdout
    assert ("--allow-run-as-root" in result.stdout) == (os.geteuid() == 0)


def test_ranks_share_cores_only_where_they_do_not_suffice(tmp_path):
    result = launch_fake(tmp_path, 'echo "$@"', "--threads", "100000")
    assert "--oversubscribe --bind-to none" in result.stdout
    assert "slot:PE" not in result.stdout


def test_stop_signal_reaches_every_rank_and_their_exit_code_comes_back(tmp_path):
    script = f'trap "exit 85" USR1; touch {tmp_path}/$OMPI_COMM_WORLD_RANK; for i in $(seq 300); do sleep 0.1; done'
    process = subprocess.Popen([LAUNCHER, "--ranks", "2", "--", "bash", "-c", script], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not all((tmp_path / str(rank)).exists() for rank in range(2)):
            assert time.monotonic() < deadline, "the ranks did not start"
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(timeout=20) == 85
    finally:
        process.kill()


@pytest.mark.parametrize("script", ["launch/debug.sh", "launch/road.sh", "launch/results.sh", "launch/made.sh", "launch/stages.sh", "slurm/job.sh"])
def test_scripts_with_traps_expand_nothing_that_a_signal_breaks(script):
    """bash 5.2 ends with exit code 2 where a trapped signal comes while it parses one of $(..), <(..) and >(..)."""
    lines = [line for line in (bv.SOURCE / script).read_text().splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if re.search(r"\$\((?!\()|[<>]\(", line)]


SITE = """
(until [[ -e FOLDER/over ]]; do kill -USR1 $$ || exit; done) >/dev/null 2>&1 &
for i in {1..300}; do X=$(echo a $(echo b) | cat); done
touch FOLDER/over
export BV_BIN=/absent
"""


def test_a_signal_while_a_job_reads_its_site_file_does_not_end_the_job(tmp_path):
    """The site file of a user may use $(..), and the shell of the job has traps."""
    (tmp_path / "site.sh").write_text(SITE.replace("FOLDER", str(tmp_path)))
    env = {"SLURM_JOB_ID": "1", "BV_SITE": str(tmp_path / "site.sh"), "BV_HOME": str(bv.SOURCE)}
    told = bv.run_command(["bash", bv.SOURCE / "slurm" / "finetune.sh"], env=env, check=False)
    assert (tmp_path / "over").exists()
    assert told.rc == 2 and bv.error_lines(told.stderr) == [told.stderr.strip()] and "/absent holds no programs" in told.stderr


def test_help_teaches():
    result = bv.run_command([LAUNCHER, "--help"])
    assert "--ranks N" in result.stdout
    assert "Examples:" in result.stdout


SCRIPTS = sorted(str(path.relative_to(bv.SOURCE)) for folder in ("launch", "slurm", "tools", "tests")
                 for path in (bv.SOURCE / folder).rglob("*.sh") if os.access(path, os.X_OK))  # the others are read by these


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_help_that_cannot_be_written_ends_the_script(script):
    with open("/dev/full", "w", encoding="utf-8") as full:
        told = subprocess.run(["bash", bv.SOURCE / script, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert told.returncode == 2 and b"No space left" in told.stderr
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        told = subprocess.run(["bash", bv.SOURCE / script, "--help"], stdout=closed, stderr=subprocess.PIPE, timeout=30, check=False)
    assert told.returncode != 0


@pytest.mark.parametrize("args, complaint", [
    (["--", "true"], "--ranks is missing"),
    (["--ranks", "two", "--", "true"], "--ranks is 'two', not a positive whole number"),
    (["--ranks", "2", "--threads", "0", "--", "true"], "--threads is '0', not a positive whole number"),
    (["--ranks", "2"], "no program after --"),
    (["--ranks", "2", "--", "./no-such-program"], "./no-such-program is no program"),
])
def test_mistakes_of_use_are_one_line_and_exit_code_2(args, complaint):
    result = bv.run_command([LAUNCHER, *args], check=False)
    assert result.rc == 2
    assert result.stderr.startswith("error: run_ranks.sh: ") and complaint in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["launch/debug.sh", "launch/ask.sh", "slurm/study.sh", "slurm/prepare.sh", "tools/build.sh", "tools/install.sh"])
def test_a_script_finds_its_folder_whatever_cdpath_is(script):
    helped = bv.run_command([script, "--help"], cwd=bv.SOURCE, env={"CDPATH": str(bv.SOURCE)})
    assert helped.stdout.startswith("Usage: ") and not helped.stderr


@pytest.mark.parametrize("code, words", [(1, ""), (124, " within 180 s")])
def test_ranks_that_do_not_start_are_a_failure_that_says_whether_the_time_was_over(tmp_path, code, words):
    (tmp_path / "timeout").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "timeout").chmod(0o755)
    failed = bv.run_command([LAUNCHER, "--ranks", 2, "--preflight", "--", "true"], check=False,
                            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert failed.rc == 1 and failed.stderr == (
        f"failure: run_ranks.sh: mpirun did not start 2 ranks{words}; its own words are above\n")


def test_scripts_start_through_a_link_and_programs_may_be_named_from_the_callers_folder(tmp_path):
    (tmp_path / "debug").symlink_to(bv.SOURCE / "launch" / "debug.sh")
    assert bv.run_command([tmp_path / "debug", "--help"], cwd=tmp_path).stdout.startswith("Usage: launch/debug.sh")
    (tmp_path / "programs").symlink_to(bv.BIN)
    (tmp_path / "ask").symlink_to(bv.SOURCE / "launch" / "ask.sh")
    said = bv.run_command([tmp_path / "ask", "run"], cwd=tmp_path, env={"BV_BIN": "programs", "BV_PYTHON": "echo"})
    assert said.stdout.split() == ["launch/ask.py", f"{tmp_path}/programs/bv_eval", str(tmp_path), "run"]


@pytest.mark.parametrize("visible, ranks", [(None, 3), ("", 2), ("1", 1), ("0,2,3,4", 4), ("-1", 2), ("NoDevFiles", 2),
                                            ("0, 1,-1,2", 2), ("GPU-1a2b,MIG-3c,x,1", 2)])
def test_debug_starts_a_rank_for_each_visible_gpu(tmp_path, visible, ranks):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nfor gpu in 0 1 2; do echo GPU $gpu; done\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    unset = ["-u", "CUDA_VISIBLE_DEVICES"] if visible is None else [f"CUDA_VISIBLE_DEVICES={visible}"]
    refused = bv.run_command(["env", *unset, bv.SOURCE / "launch" / "debug.sh", "--gdb", 99], check=False,
                             env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert refused.rc == 2 and f"there is no rank 99: {ranks} ranks are numbered from 0" in refused.stderr


def test_debug_keeps_the_study_that_was_asked_for_last_and_passes_over_no_result_with_other_settings(tmp_path, tiny_model):
    config, run = tmp_path / "study.toml", tmp_path / "run"

    def debug(batch, *stages):
        config.write_text(f'[study]\ntasks = ["span"]\ncorpus_train = 24\ncorpus_dev = 12\n[finetune]\ncheckpoints = "1"\nbatch = {batch}\n')
        return bv.run_command([bv.SOURCE / "launch" / "debug.sh", "--config", config, "--model", tiny_model, "--run", run, *stages],
                              check=False, env={"BV_BIN": str(bv.BIN), "BV_PYTHON": sys.executable})

    for batch in (8, 16):
        assert debug(batch, "prepare").rc == 0 and (run / "study.toml").read_text() == config.read_text()
    pretend_tuning(run / "span" / "seed-1", batch=16)
    assert debug(16, "finetune").rc == 0
    refused = debug(8, "finetune")
    assert refused.rc == 2 and bv.error_lines(refused.stderr)[0].startswith(
        f"error: debug.sh: {run}/span/seed-1: made with batch 16, but {config} has batch 8 in [finetune]; ")
    assert "batch = 16" in (run / "study.toml").read_text()


@pytest.mark.parametrize("queue, code", [("echo '12_3|3|{run}: extract span 1'", 2), ("echo '12|N/A|{run}-2: report'", 0), ("exit 1", 0)])
def test_debug_does_not_change_the_study_of_jobs_in_the_queue(tmp_path, tiny_model, queue, code):
    config, run, text = tmp_path / "study.toml", tmp_path / "run", '[study]\ntasks = ["span"]\ncorpus_train = 24\ncorpus_dev = 12\n'
    run.mkdir()
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n[ \"$1\" != --version ] || exit 0\n{queue.format(run=run)}\n")
    (tmp_path / "squeue").chmod(0o755)

    def debug():
        return bv.run_command([bv.SOURCE / "launch" / "debug.sh", "--config", config, "--model", tiny_model, "--run", run, "prepare"], check=False,
                              env={"BV_BIN": str(bv.BIN), "BV_PYTHON": sys.executable, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    for place in (config, run / "study.toml"):
        place.write_text(text)
    assert debug().rc == 0  # the study that they read
    config.write_text(text + "[finetune]\nbatch = 8\n")
    done = debug()
    assert done.rc == code and ((run / "study.toml").read_text() == text) == (code == 2)
    if code:
        assert done.stderr == f"error: debug.sh: jobs of {run} are in the queue with another study than {config}; wait for them, or scancel them\n"
    assert ("warning: debug.sh: squeue failed" in done.stderr) == (queue == "exit 1")


def test_the_file_of_a_flag_with_an_equals_sign_is_checked_on_every_rank(tmp_path):
    given = launch("--preflight", "--record", tmp_path / "record.json", "--", "true", f"--output={tmp_path}/new/place", check=True)
    assert "dirname" not in given.stderr and "does not see" not in given.stdout + given.stderr
