"""slurm/study.sh says first what the study takes, counted from the text that was given, on the ranks that were given. The
commands of Slurm are stand-ins: nothing is submitted."""

import os
import sys

import bv
import h5py
import pytest
from small_study import pretend_tuning

STUDY = """
[study]
corpus_train = 24
corpus_dev = 12
tasks = ["span"]
states_at = ["1"]
span_heads = ["learned_pooling"]
{more}
[prepare]
max_tokens = 96
stride = 24
[finetune]
checkpoints = "1"
"""


class Submission:
    """Runs slurm/study.sh for a run in a folder; `site` are lines of its site file."""

    def __init__(self, folder, model, site="", more=""):
        self.folder, self.run = folder, folder / "run"
        for command, script in {"squeue": "true", "sbatch": f"echo x >>{folder}/submitted"}.items():
            (folder / command).write_text(f"#!/usr/bin/env bash\n{script}\n")
            (folder / command).chmod(0o755)
        (folder / "site.sh").write_text(f"export BV_BIN={bv.BIN} BV_PYTHON={sys.executable}\n{site}\n")
        (folder / "study.toml").write_text(STUDY.format(more=more))
        (folder / "temporary").mkdir()
        self.command = [bv.SOURCE / "slurm" / "study.sh", "--config", folder / "study.toml", "--model", model, "--run", self.run]

    def dry(self, *flags, check=True):
        done = bv.run_command([*self.command, "--dry-run", *flags], check=check, env={
            "PATH": f"{self.folder}:{os.environ['PATH']}", "BV_SITE": str(self.folder / "site.sh"), "SLURM_JOB_ID": "",
            "TMPDIR": str(self.folder / "temporary")})
        assert not (self.folder / "submitted").exists() and not list((self.folder / "temporary").iterdir())
        return done


def features_in(path):
    with h5py.File(path) as file:
        return len(file["features/starts"]) - 1


def prepare(text, model, output, *flags):
    bv.run("bv_prepare", "--squad", text, "--model", model, "--max-tokens", 96, "--stride", 24, "--output", output, *flags)
    return features_in(output)


def test_features_are_counted_from_the_text_before_there_are_any(tmp_path, tiny_model, corpus):
    submission = Submission(tmp_path, tiny_model, more="hold_out = 0.2")
    dev = prepare(corpus / "dev.json", tiny_model, tmp_path / "dev.h5", "--unfound", "keep")
    train = prepare(corpus / "train.json", tiny_model, tmp_path / "train.h5", "--hold-out", 0.2, "--hold-out-output", tmp_path / "held.h5")
    assert f" {train} training and {dev} dev features" in submission.dry("--squad", corpus).stderr
    assert not submission.run.exists()
    # Stores of training, dev and held-out questions.
    assert "--array=0,1,2 " in submission.dry("--squad", corpus).stdout.replace("\\", "")
    (tmp_path / "without").mkdir()
    assert "--array=0,1 " in Submission(tmp_path / "without", tiny_model).dry("--squad", corpus).stdout.replace("\\", "")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_model, corpus):
    """A folder of a run's features: of some questions only."""
    folder = tmp_path_factory.mktemp("features")
    prepare(corpus / "dev.json", tiny_model, folder / "dev.h5", "--limit", 3)
    prepare(corpus / "train.json", tiny_model, folder / "train.h5", "--limit", 5)
    return folder


def test_features_of_the_run_are_counted_where_there_are_some(tmp_path, tiny_model, corpus, prepared):
    submission = Submission(tmp_path, tiny_model)
    submission.run.mkdir()
    (submission.run / "features").symlink_to(prepared)
    train, dev = features_in(prepared / "train.h5"), features_in(prepared / "dev.h5")
    assert f" {train} training and {dev} dev features" in submission.dry("--squad", corpus).stderr


def test_the_part_of_a_study_that_is_submitted_is_planned(tmp_path, tiny_model, corpus):
    """The flags may also choose tasks and seeds that the file does not name."""
    submission = Submission(tmp_path, tiny_model)
    plan = submission.dry("--squad", corpus, "--task", "classification", "--seed", "3,4").stderr
    assert "\n  classification\n" in plan and "\n  span\n" not in plan and "2 seeds\n" in plan


def test_a_text_that_cannot_be_prepared_ends_before_anything_is_submitted(tmp_path, tiny_model):
    submission = Submission(tmp_path, tiny_model)
    for split in ("train", "dev"):
        (tmp_path / f"{split}.json").write_text('{"data": [1]}')
    refused = submission.dry("--squad", tmp_path, check=False)
    assert refused.rc == 2 and len(bv.error_lines(refused.stderr)) == 1 and f"{tmp_path}/train.json" in refused.stderr
    assert "sbatch" not in refused.stdout


def test_nothing_is_submitted_if_the_queue_is_unknown(tmp_path, tiny_model):
    submission = Submission(tmp_path, tiny_model)
    (tmp_path / "squeue").write_text("#!/usr/bin/env bash\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    refused = bv.run_command(submission.command, check=False, env={
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "BV_SITE": str(tmp_path / "site.sh"), "SLURM_JOB_ID": ""})
    assert refused.rc == 2 and "error: slurm/study.sh: squeue failed" in refused.stderr
    assert not submission.run.exists() and not (tmp_path / "submitted").exists()


def test_nothing_is_submitted_if_a_made_result_has_other_settings(tmp_path, tiny_model):
    submission = Submission(tmp_path, tiny_model)
    pretend_tuning(submission.run / "span" / "seed-1", batch=8)
    with open(tmp_path / "study.toml", "a", encoding="utf-8") as study:
        study.write("batch = 16\n")
    refused = submission.dry(check=False)
    assert refused.rc == 2 and not refused.stdout and refused.stderr.startswith(
        f"error: slurm/study.sh: {submission.run}/span/seed-1: made with batch 8, but {tmp_path}/study.toml has batch 16 in [finetune]; ")


@pytest.mark.parametrize("site, flags, ranks", [
    ("", "", "1 rank"),
    ("export BV_RANKS_PER_NODE=2", "-N 3", "6 ranks"),
    ("export SBATCH_GPUS_PER_NODE=a100:4", "-N2", "8 ranks"),
    ("export SBATCH_GPUS_PER_NODE=4", "--nodes=2 --ntasks=5", "5 ranks"),
    ("", "--nodes=1-2 --ntasks-per-node 3 --time=8:00:00", "6 ranks"),
    ('export BV_PLAN_FLAGS="--ranks 7"', "--nodes=2", "7 ranks"),
    ("", "--nodes=2 --gres=lscratch:100", "2 ranks"),
    ("", "--nodes=2 --gres gpu:h100:4,lscratch:100", "8 ranks"),
    ("", "--gres=lscratch:100,gpu:2,gpu:a100", "3 ranks"),
    ("export SBATCH_GPUS_PER_NODE=4", "--nodes=2 --gres=lscratch:100", "8 ranks"),
    ("export SBATCH_GRES=gpu:2,lscratch:100", "", "2 ranks"),
    ("", "--gpus-per-node=a100:2,h100:2 -N2", "8 ranks"),
    ("", "-N 2 --gpus=a100:4,h100:2", "6 ranks"),
    ("", "-N2 -G8", "8 ranks"),
])
def test_the_ranks_are_those_of_the_nodes_given(tmp_path, tiny_model, prepared, site, flags, ranks):
    submission = Submission(tmp_path, tiny_model, site)
    submission.run.mkdir()
    (submission.run / "features").symlink_to(prepared)
    said = submission.dry(*(["--job", "finetune", flags] if flags else [])).stderr
    assert f"study.toml on {ranks}\n" in said
