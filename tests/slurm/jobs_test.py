"""The job scripts under a real Slurm of two nodes: jobs cut short go on with the same bits, crashes do not, and a study is one
graph of which a second submission adds only what is missing."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bv
import pytest

CLUSTER = bv.SOURCE / "tests" / "slurm" / "cluster.sh"
JOBS = bv.SOURCE / "slurm"
STEPS = 600  # of the undisturbed run; checkpoints at all that tests train to


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
        return self.run("sbatch", "--parsable", f"--output={log}", *options, JOBS / script, *flags, env=env, cwd=cwd).stdout.strip()

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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--limit", 12,
           "--output", path)
    return path


def config(path, *steps, more=""):
    """A study whose tuning keeps checkpoints after `steps` steps; the batch is all features, so a step is an epoch."""
    epochs = ",".join(str(step) for step in steps)
    path.write_text(f'[study]\ntasks = ["span"]\n[finetune]\ncheckpoints = "{epochs}"\nbatch = 1000\nlearning_rate = 1e-3\n'
                    f'optimizer = "adamw"\nweight_decay = 0.01\nclip = 1.0\ndevice = "cpu"\n{more}')
    return path


@pytest.fixture(scope="module")
def undisturbed(tiny_model, features, tmp_path_factory):
    """The weights of a run that nothing disturbed, on 2 ranks, by checkpoint."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = config(folder / "study.toml", 0, 300, STEPS)
    bv.run("bv_finetune", "--config", study, "--model", tiny_model, "--task", "span", "--seed", 1, "--features", features,
           "--output", folder, "--threads", 1, ranks=2, timeout=300)
    return weights(folder)


def weights(output):
    return {path.parent.name: path.read_bytes() for path in sorted(output.glob("checkpoints/epoch-*/model.safetensors"))}


class Tuning:
    """A run's folder with features, and the flags of its fine-tuning."""

    def __init__(self, folder, model, features, *steps, more=""):
        self.run = folder / "run"
        (self.run / "features").mkdir(parents=True)
        (self.run / "features" / "train.h5").symlink_to(features)
        self.output = self.run / "span" / "seed-1"
        self.log = folder / "log"
        self.flags = ["--config", config(folder / "study.toml", *steps, more=more), "--model", model, "--run", self.run]

    def wait_for_step(self, step, timeout=60):
        path = self.output / "metrics" / "finetune.jsonl"
        until = time.monotonic() + timeout
        while not path.exists() or path.read_text().count('"step"') < step:
            assert time.monotonic() < until, f"no step {step}: {self.text()}"
            time.sleep(0.02)

    def text(self):
        return self.log.read_text() if self.log.exists() else ""

    def assert_same_as(self, undisturbed):
        found = weights(self.output)
        assert found and found == {name: undisturbed[name] for name in found}, self.text()
        assert bv.read_json_lines(self.output / "metrics" / "finetune.jsonl")[-1]["done"] is True


@pytest.fixture
def tuning(tmp_path, tiny_model, features):
    return Tuning(tmp_path, tiny_model, features, 0, 300)


@pytest.fixture
def programs(tmp_path, cluster):
    """Puts a script of bash in the place of a program; returns the environment of jobs that use it."""

    def replace(name, script):
        folder = tmp_path / f"programs-{tmp_path.name}"
        folder.mkdir(exist_ok=True)
        for real in ("bv_prepare", "bv_finetune", "bv_extract", "bv_train", "bv_eval"):
            if not (folder / real).exists():
                (folder / real).symlink_to(bv.BIN / real)
        (folder / name).unlink()
        (folder / name).write_text(script if script.startswith("#!") else f"#!/usr/bin/env bash\n{script}\n")
        (folder / name).chmod(0o755)
        return {"BV_SITE": cluster.site("mpirun", folder)}

    return replace


two_nodes = ("--nodes=2", "--ntasks-per-node=1")


@pytest.mark.parametrize("launcher, target", [("mpirun", ["--batch"]), ("srun", [])])
def test_a_preempted_job_over_two_nodes_saves_is_requeued_and_ends_with_the_same_bits(cluster, tuning, undisturbed, launcher, target):
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=two_nodes, env={"BV_SITE": cluster.site(launcher, bv.BIN)})
    tuning.wait_for_step(20)
    cluster.run("scancel", *target, "--signal=USR1", job)
    ended = cluster.wait(job)
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), tuning.text()
    assert "told to stop; how far: span seed 1: 1 checkpoints, state after" in tuning.text()
    assert "resumed after" in tuning.text()
    assert "2 ranks of bv_finetune (build " in tuning.text() and f"on 2 nodes by {launcher}, 1 thread each" in tuning.text()
    tuning.assert_same_as(undisturbed)
    for name in (f"finetune-{job}.json", f"finetune-{job}-restart-1.json"):
        record = bv.read_json(tuning.run / "jobs" / name)
        assert [rank["host"] for rank in record["ranks"]] == ["n1", "n2"]
        assert len({rank["build"] for rank in record["ranks"]}) == 1
        assert record["environment"]["SLURM_JOB_ID"] == job and record["launcher"] == launcher
        assert {"libtorch_cpu.so", "libmpi.so.40"} <= record["libraries"].keys() and record["torch"]
    assert (tuning.output / "finetune.toml").exists()
    assert not list(tuning.run.rglob("*.job"))


@pytest.fixture(scope="module")
def limit_check(cluster, tmp_path_factory):
    """When slurmctld looks at time limits, which it does every 30 seconds: some moment of it."""
    at = tmp_path_factory.mktemp("limit") / "at"
    cluster.run("sbatch", "--time=1", "--signal=B:USR1@59", "--output=/dev/null", "--wrap",
                f"trap 'date +%s >{at}; exit' USR1; while true; do sleep 0.2; done")

    def moment():
        until = time.monotonic() + 60
        while not at.exists() or not at.read_text():
            assert time.monotonic() < until, "Slurm sent no signal before the time limit"
            time.sleep(0.1)
        return int(at.read_text())

    return moment


def test_a_job_at_its_time_limit_is_requeued_until_it_is_done(cluster, limit_check, tmp_path, tiny_model, features, undisturbed):
    tuning = Tuning(tmp_path, tiny_model, features, 0, STEPS)
    time.sleep((limit_check() - 9 - time.time()) % 30)  # the signal comes 9 seconds into the job
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=[*two_nodes, "--time=1", "--signal=B:USR1@55"])
    ended = cluster.wait(job, timeout=240)
    assert ended["JobState"] == "COMPLETED" and int(ended["Restarts"]) >= 1, tuning.text()
    assert tuning.text().count("resumed after") == int(ended["Restarts"])
    tuning.assert_same_as(undisturbed)


def test_a_job_whose_node_dies_is_requeued(cluster, tmp_path, tiny_model, features, undisturbed):
    tuning = Tuning(tmp_path, tiny_model, features, 0, 300, more="resume_every = 0.001\n")
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=two_nodes)
    tuning.wait_for_step(60)
    cluster.command("kill-node", "n2")
    try:
        cluster.wait(job, "PENDING")
    finally:
        code, said = cluster.command("start-node", "n2")
        assert code == 0, said
    ended = cluster.wait(job)
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), tuning.text()
    assert "a node is lost; how far" in tuning.text() and "resumed after" in tuning.text()
    tuning.assert_same_as(undisturbed)


@pytest.mark.parametrize("script, exit_code, words", [
    ("exit 3", "3:0", ""),
    ("kill -KILL $$", "137:0", "rank 0 killed by signal 9"),
    ("exit 85", "1:0", "told to stop, and no progress since this start, so not requeued; how far: span seed 1: 0 checkpoints"),
])
def test_neither_a_crash_nor_a_stop_without_progress_is_requeued(cluster, tuning, programs, script, exit_code, words):
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, env=programs("bv_finetune", script))
    ended = cluster.wait(job)
    assert (ended["JobState"], ended["ExitCode"], ended["Restarts"]) == ("FAILED", exit_code, "0")
    assert words in tuning.text()


def test_an_extraction_cut_short_keeps_its_blocks_and_goes_on(cluster, tuning, programs, tmp_path):
    """bv_extract is no program that saves on a signal: it dies, and the next finishes the store."""
    (tuning.output / "checkpoints" / "epoch-1").mkdir(parents=True)
    env = programs("bv_extract", f"""#!{sys.executable}
import h5py, sys, time
with h5py.File(sys.argv[sys.argv.index("--store") + 1], "a") as file:
    marks = file.require_dataset("block_records", (2, 2), "u4")
    again = bool(marks[0, 0])
    marks[:, 0] = 1 if again else [1, 0]
while not again:
    time.sleep(0.1)
""")
    job = cluster.submit("extract.sh", tuning.log, *tuning.flags, "--task", "span", "--epoch", "1", options=["--array=1"], env=env)
    until = time.monotonic() + 60
    while not (store := tuning.output / "stores" / "epoch-1-dev.h5").exists():
        assert time.monotonic() < until, tuning.text()
        time.sleep(0.1)
    time.sleep(1)
    cluster.run("scancel", "--batch", "--signal=USR1", f"{job}_1")
    ended = cluster.wait(f"{job}_1")
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), tuning.text()
    assert "how far: 1 of 2 blocks. Requeued" in tuning.text()
    assert [path.name for path in store.parent.iterdir()] == ["epoch-1-dev.h5"]


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
    refused = cluster.run("salloc", "--quiet", *two_nodes, bv.SOURCE / "launch" / "run_ranks.sh", "--ranks", 2, "--per-node", 1, *flags,
                          "--oversubscribe", "--preflight", "--", "touch", features, tmp_path / "started",
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": f"{cluster.folder}/tmp"}, check=False)
    assert refused.rc == 2
    assert f"error: preflight: {words}" in refused.stderr
    assert not (tmp_path / "started").exists()


@pytest.fixture
def study(tmp_path, cluster, tiny_model):
    """Runs slurm/study.sh on a small study; returns the lines of its tree."""
    path = tmp_path / "study.toml"
    path.write_text('[study]\nseeds = [1, 2]\ncorpus_train = 24\ncorpus_dev = 12\ntasks = ["span"]\nstates_at = ["0.5", "1"]\n'
                    'span_heads = ["learned_pooling"]\n[finetune]\ncheckpoints = "0,0.5,1"\nbatch = 8\n')

    def submit(*flags, env=None):
        done = cluster.run(JOBS / "study.sh", "--config", path, "--model", tiny_model, "--run", tmp_path / "run", *flags, env=env)
        lines = [line for line in done.stdout.splitlines() if not re.match("(env|sbatch) ", line)]  # commands of --dry-run
        return [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines]

    return submit


def drain(cluster, timeout=180):
    until = time.monotonic() + timeout
    while cluster.queue():
        assert time.monotonic() < until, f"still in the queue: {cluster.queue()}"
        time.sleep(0.5)


def test_a_study_is_one_graph_and_a_second_submission_adds_what_is_missing(cluster, study, tmp_path):
    run = tmp_path / "run"
    assert study("--dry-run")[1] == ["prepare", "job <prepare>"] and not run.exists() and not cluster.queue()
    tree = study()
    units = ["prepare", *(f"{stage} span {seed}" for seed in (1, 2) for stage in ("finetune", "extract", "train", "eval")), "report"]
    assert [name for name, _ in tree[1:]] == units
    jobs = {name: re.match(r"job (\d+)", text)[1] for name, text in tree[1:]}
    assert dict(tree[1:])["extract span 1"] == f"job {jobs['extract span 1']}, after {jobs['finetune span 1']}: 4 of 4"
    depends = cluster.job(jobs["train span 2"])["Dependency"]
    assert {f"{jobs['extract span 2']}_{task}" for task in range(4)} == set(re.findall(r"\d+_\d", depends))
    assert all(text.startswith("in the queue: ") for _, text in study()[1:])
    drain(cluster)
    assert (run / "report" / "index.html").exists(), "\n".join(path.read_text() for path in sorted((run / "jobs").glob("*.log")))
    for seed in (1, 2):
        assert len(list(run.glob(f"span/seed-{seed}/stores/*.h5"))) == 4
        assert len(list(run.glob(f"span/seed-{seed}/heads/learned_pooling/epoch-*/*/metrics.json"))) == 2
        assert len(list(run.glob(f"span/seed-{seed}/evaluations/*/metrics.json"))) == 4
    assert {path.name.split("-")[0] for path in (run / "jobs").glob("*.json")} == {"prepare", "finetune", "extract", "train", "eval", "report"}
    assert all(text == "made" for _, text in study()[1:])
    (run / "span" / "seed-1" / "stores" / "epoch-1-train.h5").unlink()
    (run / "span" / "seed-2" / "evaluations" / "epoch-0" / "metrics.json").unlink()
    again = [(name, text) for name, text in study()[1:] if text != "made"]
    assert [name for name, _ in again] == ["extract span 1", "eval span 2", "report"]
    assert again[0][1].endswith(": 1 of 4")
    drain(cluster)
    assert all(text == "made" for _, text in study()[1:])


def test_what_hangs_on_a_failed_job_leaves_the_queue_and_is_submitted_again(cluster, study, programs):
    tree = study("--seed", 1, env=programs("bv_finetune", "exit 3"))
    jobs = {name: re.match(r"job (\d+)", text)[1] for name, text in tree[1:]}
    drain(cluster)
    assert cluster.job(jobs["finetune span 1"])["JobState"] == "FAILED"
    assert {cluster.job(jobs[name])["JobState"] for name in ("extract span 1", "train span 1", "eval span 1")} == {"CANCELLED"}
    assert cluster.job(jobs["report"])["JobState"] == "COMPLETED"
    again = dict(study("--seed", 1, "--dry-run")[1:])
    assert again["prepare"] == "made" and all(text.startswith("job <") for name, text in again.items() if name != "prepare")


def test_mistakes_of_use_end_before_anything_is_submitted(cluster, tmp_path):
    for flags, words in (
        (["--config", "/nowhere.toml"], "/nowhere.toml is no file"),
        (["--job", "tune", "--nodes=2"], "--job 'tune' is not one of: prepare finetune extract train eval report"),
        (["--task", "spam"], "--task 'spam' is not one of: span classification"),
        (["--forse"], "unknown argument '--forse'"),
    ):
        refused = cluster.run(JOBS / "study.sh", "--run", tmp_path / "run", *flags, check=False)
        assert refused.rc == 2 and refused.stderr.count("\n") == 1 and words in refused.stderr, refused.stderr
    assert not (tmp_path / "run").exists() and not cluster.queue()


@pytest.mark.parametrize("script", ["prepare.sh", "finetune.sh", "extract.sh", "train.sh", "evaluate.sh", "report.sh"])
def test_scripts_explain_themselves_and_refuse_to_run_outside_a_job(script):
    helped = bv.run_command([JOBS / script, "--help"])
    assert helped.stdout.startswith(f"Usage: sbatch [SBATCH FLAGS] slurm/{script} [FLAGS]") and not helped.stderr
    refused = bv.run_command([JOBS / script, "--run", "x"], check=False)
    assert refused.rc == 2 and f"this is a job: sbatch slurm/{script}" in refused.stderr
