"""What the launcher asks every rank before it starts them, what it shows and records of it, and how a rank is made ready."""

import os
import shutil
import sys
from pathlib import Path

import bv
import pytest

LAUNCH = bv.SOURCE / "launch"
RANK = "rank\t{0}\t{1}\tNVIDIA H100\t550.54\tGPU-{0}\t{2}\tabc123\t7"


def judge(answers, *flags, ranks=2, given="/data/train.h5", program="build/bin/bv_finetune"):
    """Runs preflight.py over the answers of ranks."""
    command = [sys.executable, LAUNCH / "preflight.py", "--ranks", ranks, "--launcher", "srun", "--threads", 4, f"--given={given}",
               *flags, "--", program, "--features", given]
    text = "\n".join(answers)
    return bv.run_command(["bash", "-c", 'answers=$1; shift; "$@" <<<"$answers"', "bash", text, *command], check=False)


def test_one_screen_says_what_runs_where():
    answers = ["Loading modules", *(RANK.format(rank, f"n{rank // 2}", f"{rank % 2 * 4}-{rank % 2 * 4 + 3}") for rank in (2, 0, 3, 1))]
    shown = judge(answers, "--gpus", ranks=4)
    assert shown.rc == 0
    assert shown.stderr.splitlines() == [
        "4 ranks of bv_finetune (build abc123) on 2 nodes by srun, 4 threads each",
        "  n0: ranks 0-1; 2 x NVIDIA H100, driver 550.54; cores 0-3 | 4-7",
        "  n1: ranks 2-3; 2 x NVIDIA H100, driver 550.54; cores 0-3 | 4-7",
    ]


def test_a_hundred_nodes_fit_the_screen():
    shown = judge([RANK.format(rank, f"n{rank}", "0-3") for rank in range(100)], ranks=100)
    assert len(shown.stderr.splitlines()) == 18 and shown.stderr.endswith("... and 84 nodes more\n")


@pytest.mark.parametrize("second, words", [
    ("rank\t1\tn1\t\t\t\t0-3\tabc123\t7", "rank 1 (host n1) sees no GPU of its own"),
    ("rank\t1\tn1\tNVIDIA H100\t550.54\tGPU-1\t0-3\tabc124\t7", "rank 1 (host n1) has another build of the program (abc124) than rank 0 (abc123)"),
    ("rank\t1\tn1\tNVIDIA H100\t550.54\tGPU-1\t0-3\tabc123\t-", "rank 1 (host n1) does not see /data/train.h5"),
    ("rank\t1\tn1\tNVIDIA H100\t550.54\tGPU-1\t0-3\tabc123\t8", "rank 1 (host n1) sees another /data/train.h5 (8 bytes) than rank 0 (7 bytes)"),
    ("rank\t1\tn1\tNVIDIA H100\t550.54\tGPU-0\t0-3\tabc123\t7", "rank 1 (host n1) would share GPU-0 with rank 0"),
    ("", "only 1 of 2 ranks answered: 0"),
])
def test_what_would_fail_later_is_refused_in_one_line(second, words):
    refused = judge([RANK.format(0, "n0", "0-3"), second], "--gpus")
    assert refused.rc == 2
    assert refused.stderr.startswith(f"error: preflight: {words}") and refused.stderr.count("\n") == 1


def test_a_start_is_recorded(tmp_path):
    """Here by mpirun, of a real program; on clusters too by srun (label slurm)."""
    (tmp_path / "out").mkdir()
    done = bv.run_command([LAUNCH / "run_ranks.sh", "--ranks", 2, "--oversubscribe", "--preflight", "--record", tmp_path / "jobs" / "a.json",
                           "--", bv.BIN / "bv_eval", "--help"], env={"NCCL_DEBUG": "WARN", "SLURM_JOB_ID": ""})
    record = bv.read_json(tmp_path / "jobs" / "a.json")
    assert "2 ranks of bv_eval (build " in done.stderr and "on 1 node by mpirun" in done.stderr
    assert record["command"] == [str(bv.BIN / "bv_eval"), "--help"]
    assert [rank["rank"] for rank in record["ranks"]] == [0, 1] and record["ranks"][0]["host"]
    assert "Open MPI" in record["versions"]["MPI"] and record["versions"]["LibTorch"].startswith("2.")
    assert Path(record["libraries"]["libtorch_cpu.so"]).is_file()
    assert record["environment"]["NCCL_DEBUG"] == "WARN"
    if shutil.which("git") and (bv.SOURCE / ".git").exists():
        assert len(record["commit"]) == 40


@pytest.fixture
def gpus(tmp_path):
    """The environment of a machine with two GPUs, both near to all its cores: what stands at a real PCI address."""
    near = next((path for path in sorted(Path("/sys/bus/pci/devices").glob("*/local_cpulist"))
                 if path.read_text().strip() == Path("/sys/devices/system/cpu/online").read_text().strip()), None)
    if near is None or os.cpu_count() < 2:
        pytest.skip("no PCI device that is near to all of two or more cores")
    (tmp_path / "nvidia-smi").write_text(f"""#!/usr/bin/env bash
case "$*" in *--id=[01]*) ;; *) exit 6 ;; esac
case "$*" in *uuid*) echo "GPU-$*" ;; *pci.bus_id*) echo 0000{near.parent.name} ;; *driver*) echo 550.54 ;; *) echo Stand-in ;; esac
""")
    (tmp_path / "nvidia-smi").chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "", "CUDA_VISIBLE_DEVICES": "0,1"}


def on_ranks(*args, ranks=2, env=None, check=True):
    return bv.run_command([LAUNCH / "run_ranks.sh", "--ranks", ranks, *args], env={"SLURM_JOB_ID": "", **(env or {})}, check=check)


def test_ranks_share_the_cores_near_to_their_gpus_in_equal_parts(gpus):
    done = on_ranks("--gpus", "--preflight", "--threads", 1, "--", "sed", "-n", "s/Cpus_allowed_list:\t//p", "/proc/self/status", env=gpus)
    assert "2 x Stand-in, driver 550.54" in done.stderr
    cores = [bound(text) for text in done.stdout.split()]
    assert len(cores) == 2 and len(cores[0]) == len(cores[1]) > 0 and not cores[0] & cores[1]


def bound(text):
    """The cores of a list such as 0-3,8."""
    parts = (part.partition("-") for part in text.split(","))
    return {core for first, _, last in parts for core in range(int(first), int(last or first) + 1)}


def test_a_rank_without_its_gpu_is_refused(gpus):
    flags = ("--gpus", "--preflight", "--oversubscribe", "--", "true")
    refused = on_ranks(*flags, env={**gpus, "CUDA_VISIBLE_DEVICES": "0,1"}, ranks=3, check=False)
    assert refused.rc == 2 and "rank 2 (host " in refused.stderr and "sees no GPU of its own" in refused.stderr
    refused = on_ranks(*flags, env={**gpus, "CUDA_VISIBLE_DEVICES": "1"}, check=False)
    assert refused.rc == 2 and "rank 1 (host " in refused.stderr and "would share GPU-" in refused.stderr


def test_ranks_that_see_a_gpu_each_numbered_0_have_them(gpus, tmp_path):
    """As Slurm's --gpus-per-task and --gpu-bind=single show them."""
    (tmp_path / "hostname").write_text('#!/usr/bin/env bash\necho node\n')
    (tmp_path / "hostname").chmod(0o755)
    answers = [bv.run_command([LAUNCH / "rank.sh", "--gpus", 2, "--check", "--", "true"],
                              env={**gpus, "OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_LOCAL_RANK": rank,
                                   "CUDA_VISIBLE_DEVICES": rank}).stdout for rank in ("0", "1")]
    shown = judge(answers, "--gpus", given="", program="true")
    assert shown.rc == 0 and "  node: ranks 0-1; 2 x Stand-in, driver 550.54" in shown.stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_a_debugger_on_one_rank_reads_the_terminal(rank):
    if not shutil.which("gdb"):
        pytest.skip("gdb is missing")
    done = bv.run_command(["bash", "-c", f'printf "run\\nprint 6*7\\n" | {LAUNCH}/run_ranks.sh --ranks 2 --gdb {rank} -- '
                           'bash -c "echo rank \\$OMPI_COMM_WORLD_RANK of $BASHPID"'], env={"SLURM_JOB_ID": "", "HOME": "/nonexistent"})
    assert "$1 = 42" in done.stdout and done.stdout.count("(gdb)") >= 2
    assert all(f"rank {number}" in done.stdout for number in (0, 1))


def test_one_rank_runs_a_program_of_another_build(tmp_path):
    for name in ("release", "asan"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bv_x").write_text(f'#!/usr/bin/env bash\necho "$OMPI_COMM_WORLD_RANK {name} $1"\n')
        (tmp_path / name / "bv_x").chmod(0o755)
    done = on_ranks("--instead", 1, tmp_path / "asan", "--", tmp_path / "release" / "bv_x", "flag", ranks=3)
    assert sorted(done.stdout.splitlines()) == ["0 release flag", "1 asan flag", "2 release flag"]


@pytest.mark.parametrize("flags, words", [
    (["--gdb", "one"], "--gdb is 'one', not a whole number"),
    (["--ranks", "2", "--gdb", "2"], "there is no rank 2: 2 ranks are numbered from 0"),
    (["--ranks", "2", "--sanitizer", "4"], "there is no rank 4"),
    (["--task", "spam"], "--task 'spam' is not one of: span classification"),
])
def test_the_debug_launcher_refuses_ranks_and_words_that_are_none(flags, words):
    refused = bv.run_command([LAUNCH / "debug.sh", *flags], check=False, timeout=10)
    assert refused.rc == 2 and words in refused.stderr and refused.stderr.count("\n") == 1
