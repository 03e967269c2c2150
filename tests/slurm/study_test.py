"""A study is one graph of jobs, of which a second submission adds only what is missing."""

import re
import time

import bv
import pytest

STUDY = bv.SOURCE / "slurm" / "study.sh"


@pytest.fixture
def study(tmp_path, cluster, tiny_model):
    """Runs slurm/study.sh on a small study; returns the lines of its tree."""
    path = tmp_path / "study.toml"
    path.write_text('[study]\nseeds = [1, 2]\ncorpus_train = 24\ncorpus_dev = 12\ntasks = ["span"]\nstates_at = ["0.5", "1"]\n'
                    'span_heads = ["learned_pooling"]\n[finetune]\ncheckpoints = "0,0.5,1"\nbatch = 8\n')

    def submit(*flags, env=None):
        done = cluster.run(STUDY, "--config", path, "--model", tiny_model, "--run", tmp_path / "run", *flags, env=env)
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
    wanted = [line.split("\t") for line in (run / "wanted.txt").read_text().splitlines()]
    assert len(wanted) == 2 * (1 + 2 + 3) and all(len(list(run.glob(pattern))) == int(number) for pattern, number in wanted)
    assert {path.name.split("-")[0] for path in (run / "jobs").glob("*.json")} == {"prepare", "finetune", "extract", "train", "eval", "report"}
    assert all(text == "made" for _, text in study()[1:])
    (run / "span" / "seed-1" / "stores" / "epoch-1-train.h5").unlink()
    (run / "span" / "seed-2" / "evaluations" / "epoch-0" / "metrics.json").unlink()
    again = [(name, text) for name, text in study()[1:] if text != "made"]
    assert [name for name, _ in again] == ["extract span 1", "eval span 2", "report"]
    assert again[0][1].endswith(": 1 of 4")
    drain(cluster)
    assert all(text == "made" for _, text in study()[1:])


def test_scores_wait_for_heads_where_the_study_compares_them(study, tmp_path):
    config = tmp_path / "study.toml"
    plain = dict(study("--seed", 1, "--dry-run")[1:])
    assert plain["eval span 1"] == "job <eval-span-1>, after <finetune-span-1>"
    for key in ('mixed = ["0.5:1"]', 'span_ensembles = ["learned_pooling+BERT"]'):
        text = config.read_text()
        config.write_text(text.replace("[finetune]", f"{key}\n[finetune]"))
        compared = dict(study("--seed", 1, "--dry-run")[1:])
        assert compared["eval span 1"] == "job <eval-span-1>, after <finetune-span-1> <train-span-1>_0 <train-span-1>_1"
        config.write_text(text)


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
        refused = cluster.run(STUDY, "--run", tmp_path / "run", *flags, check=False)
        assert refused.rc == 2 and refused.stderr.count("\n") == 1 and words in refused.stderr, refused.stderr
    assert not (tmp_path / "run").exists() and not cluster.queue()
