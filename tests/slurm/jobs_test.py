"""Jobs cut short under a real Slurm of two nodes go on with the same bits; crashes do not."""

import sys
import time

import bv
import pytest

STEPS = 600  # of the undisturbed run; checkpoints at all that tests train to
TWO_NODES = ("--nodes=2", "--ntasks-per-node=1")


@pytest.fixture(scope="module")
def undisturbed(tiny_model, features, config, tmp_path_factory):
    """The weights of a run that nothing disturbed, on 2 ranks, by checkpoint."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = config(folder / "study.toml", 0, 300, STEPS)
    bv.run("bv_finetune", "--config", study, "--model", tiny_model, "--task", "span", "--seed", 1, "--features", features,
           "--output", folder, "--threads", 1, ranks=2, timeout=300)
    return bv.weights(folder)


def assert_same(tuning, undisturbed):
    found = bv.weights(tuning.output)
    assert found and found == {name: undisturbed[name] for name in found}, tuning.text()
    assert bv.read_json_lines(tuning.output / "metrics" / "finetune.jsonl")[-1]["done"] is True


@pytest.mark.parametrize("launcher, target", [("mpirun", ["--batch"]), ("srun", [])])
def test_a_preempted_job_over_two_nodes_saves_is_requeued_and_ends_with_the_same_bits(cluster, tune, undisturbed, launcher, target):
    tuning = tune(0, STEPS)
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=TWO_NODES, env={"BV_SITE": cluster.site(launcher, bv.BIN)})
    tuning.wait_for_step(20)
    cluster.run("scancel", *target, "--signal=USR1", job)
    ended = cluster.wait(job)
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), tuning.text()
    assert "told to stop; how far: span seed 1: 1 checkpoints, state after" in tuning.text()
    assert "resumed after" in tuning.text()
    assert "2 ranks of bv_finetune (build " in tuning.text() and f"on 2 nodes by {launcher}, 1 thread each" in tuning.text()
    assert_same(tuning, undisturbed)
    for name in (f"finetune-{job}.json", f"finetune-{job}-restart-1.json"):
        record = bv.read_json(tuning.run / "jobs" / name)
        assert [rank["host"] for rank in record["ranks"]] == ["n1", "n2"]
        assert len({rank["build"] for rank in record["ranks"]}) == 1
        assert record["environment"]["SLURM_JOB_ID"] == job and record["launcher"] == launcher
        assert {"libtorch_cpu.so", "libmpi.so.40"} <= record["libraries"].keys() and record["versions"]["LibTorch"]
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


def test_a_job_at_its_time_limit_is_requeued_until_it_is_done(cluster, limit_check, tune, undisturbed):
    tuning = tune(0, STEPS)
    time.sleep((limit_check() - 9 - time.time()) % 30)  # the signal comes 9 seconds into the job
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=[*TWO_NODES, "--time=1", "--signal=B:USR1@55"])
    ended = cluster.wait(job, timeout=240)
    assert ended["JobState"] == "COMPLETED" and int(ended["Restarts"]) >= 1, tuning.text()
    assert tuning.text().count("resumed after") == int(ended["Restarts"])
    assert_same(tuning, undisturbed)


def test_a_job_whose_node_dies_is_requeued(cluster, tune, undisturbed):
    tuning = tune(0, 300, more="resume_every = 0.001\n")
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=TWO_NODES)
    tuning.wait_for_step(60)
    tuning.hold()
    cluster.command("kill-node", "n2")
    try:
        cluster.wait(job, "PENDING")
    finally:
        code, said = cluster.command("start-node", "n2")
        assert code == 0, said
    ended = cluster.wait(job)
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), tuning.text()
    assert "a node is lost; how far" in tuning.text() and "resumed after" in tuning.text()
    assert_same(tuning, undisturbed)


@pytest.mark.parametrize("script, exit_code, words", [
    ("exit 3", "3:0", ""),
    ("kill -KILL $$", "137:0", "killed by signal 9"),
    ("exit 85", "1:0", "told to stop, and no progress since this start, so not requeued; how far: span seed 1: 0 checkpoints"),
])
def test_neither_a_crash_nor_a_stop_without_progress_is_requeued(cluster, tuning, programs, script, exit_code, words):
    job = cluster.submit("finetune.sh", tuning.log, *tuning.flags, options=TWO_NODES, env=programs("bv_finetune", script))
    ended = cluster.wait(job)
    assert (ended["JobState"], ended["ExitCode"], ended["Restarts"]) == ("FAILED", exit_code, "0")
    assert words in tuning.text()


def test_an_extraction_cut_short_keeps_its_blocks_and_goes_on(cluster, tuning, programs, tmp_path):
    """bv_extract ends between two blocks, with exit code 85. The next start finishes the store."""
    (tuning.output / "checkpoints" / "epoch-1").mkdir(parents=True)
    env = programs("bv_extract", f"""#!{sys.executable}
import h5py, pathlib, signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(85))
with h5py.File(sys.argv[sys.argv.index("--store") + 1], "a") as file:
    file.attrs.update(dict.fromkeys(("task", "dtype", "epoch", "checkpoint", "features_fingerprint", "config"), ""))
    file.attrs.update(format="bertvision-store", version=3)
    for name in ("layers", "starts", "original", "block_starts"):
        file.require_dataset(name, (0,), "i8")
    marks = file.require_dataset("block_records", (2, 2), "u4")
    again = bool(marks[0, 0])
    marks[:, 0] = 1 if again else [1, 0]
pathlib.Path({str(tuning.output / "written")!r}).touch()
while not again:
    time.sleep(0.1)
""")
    job = cluster.submit("extract.sh", tuning.log, *tuning.flags, "--task", "span", "--epoch", "1", options=["--array=1"], env=env)
    until = time.monotonic() + 60
    while not (tuning.output / "written").exists():
        assert time.monotonic() < until, tuning.text()
        time.sleep(0.1)
    cluster.run("scancel", "--batch", "--signal=USR1", f"{job}_1")
    ended = cluster.wait(f"{job}_1")
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), tuning.text()
    assert "how far: 1 of 2 blocks. Requeued" in tuning.text()
    assert [path.name for path in (tuning.output / "stores").iterdir()] == ["epoch-1-dev.h5"]
