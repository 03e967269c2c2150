"""The jobs of slurm/ without a Slurm: its commands are stand-ins, and the environment is that of a job on one node."""

import os
import re
import sys

import bv
import pytest
from small_study import pretend_tuning

STUDY = """
[study]
seeds = [1, 2]
tasks = ["span"]
corpus_train = 24
corpus_dev = 12
[finetune]
checkpoints = "1"
"""


class Job:
    """Runs one job in a folder. `programs` has scripts in the place of Slurm's commands, and of others."""

    def __init__(self, folder, model):
        self.folder, self.run = folder, folder / "run"
        self.stand_in("squeue", "true")
        (folder / "study.toml").write_text(STUDY)
        self.site("")
        self.flags = ["--config", folder / "study.toml", "--model", model, "--run", self.run]

    def stand_in(self, command, script, place="commands"):
        (self.folder / place).mkdir(exist_ok=True)
        (self.folder / place / command).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (self.folder / place / command).chmod(0o755)

    def programs(self, name, script):
        """Puts a script in the place of one of our programs."""
        self.stand_in(name, script, "programs")
        for program in bv.BIN.glob("bv_*"):
            if not (self.folder / "programs" / program.name).exists():
                (self.folder / "programs" / program.name).symlink_to(program)
        self.site(f"export BV_BIN={self.folder}/programs")

    def site(self, lines):
        (self.folder / "site.sh").write_text(f"export BV_BIN={bv.BIN} BV_PYTHON={sys.executable}\n{lines}\n")

    def start(self, script, *flags, check=True, env=None):
        return bv.run_command(["bash", bv.SOURCE / "slurm" / script, *self.flags, *flags], check=check, env={
            "PATH": f"{self.folder / 'commands'}:{os.environ['PATH']}", "BV_SITE": str(self.folder / "site.sh"), "BV_HOME": str(bv.SOURCE),
            "SLURM_JOB_ID": "77", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "n1", "SLURM_CPUS_ON_NODE": "2", "SLURM_NTASKS": "1",
            **(env or {})})


@pytest.fixture
def job(tmp_path, tiny_model):
    return Job(tmp_path, tiny_model)


def test_a_job_ends_if_it_cannot_claim_its_output(job):
    job.stand_in("ln", "echo 'ln: No space left on device' >&2; exit 1")
    refused = job.start("prepare.sh", check=False)
    assert refused.rc == 2 and refused.stderr.endswith("error: slurm/prepare.sh: ln: No space left on device\n")
    assert not (job.run / "features" / "train.h5").exists()


def test_a_job_that_waits_for_its_claim_can_be_told_to_stop(job):
    job.stand_in("ln", "trap '' USR1; kill -USR1 0; exit 1")  # to all processes of the job
    stopped = job.start("prepare.sh", check=False)
    assert stopped.rc == 85 and "told to stop" in stopped.stdout


def test_a_restarted_job_forces_what_its_first_start_did_not_reach(job):
    job.programs("bv_finetune", f"""
while (($#)) && [[ $1 != --output ]]; do shift; done
(($#)) || exit 0 # --version
echo "${{2##*/}} ${{*:3}}" >>{job.folder}/asked
[[ $2 == */seed-1 || -e {job.folder}/again ]] || exit 85
mkdir -p "$2/checkpoints/epoch-1" "$2/metrics"
touch "$2/checkpoints/epoch-1/checkpoint.json"
echo '{{"done":true}}' >"$2/metrics/finetune.jsonl"
""")

    def asked(code, *flags, **env):
        (job.folder / "asked").unlink(missing_ok=True)
        assert job.start("finetune.sh", *flags, check=False, env=env).rc == code
        lines = (job.folder / "asked").read_text().splitlines() if (job.folder / "asked").exists() else []
        return [(line.split()[0], "--force" in line.split()) for line in lines]

    (job.folder / "again").touch()
    assert asked(0) == [("seed-1", False), ("seed-2", False)] and asked(0) == []
    (job.folder / "again").unlink()
    assert asked(85, "--force") == [("seed-1", True), ("seed-2", True)]
    (job.folder / "again").touch()
    assert asked(0, "--force", SLURM_RESTART_COUNT="1") == [("seed-2", True)]
    assert asked(0, "--force", SLURM_RESTART_COUNT="") == [("seed-1", True), ("seed-2", True)]
    assert not list((job.run / "jobs").glob("force-*"))


def test_a_job_does_not_pass_over_a_result_with_other_settings(job):
    pretend_tuning(job.run / "span" / "seed-1", batch=8)
    (job.folder / "study.toml").write_text(STUDY + "batch = 16\n")
    refused = job.start("finetune.sh", check=False)
    assert refused.rc == 2 and refused.stderr.startswith(f"error: slurm/finetune.sh: {job.run}/span/seed-1: made with batch 8, but ")
    assert "made with" not in job.start("finetune.sh", "--seed", 2, "--epoch", 1, check=False).stderr


HEADS = """
[study]
tasks = ["span"]
states_at = ["1"]
span_heads = ["learned_pooling", "average_pooling"]
layer_atlas = true
shares = [0.5, 0.25]
[finetune]
checkpoints = "1"
"""


def test_a_restarted_job_forces_only_the_heads_that_its_first_start_had_not_begun(job):
    """A layer, or a share, that is not finished is no reason to train the finished ones again."""
    job.programs("bv_train", f"""
[[ $1 != --version ]] || exit 0
while [[ $1 != --heads ]]; do shift; done
echo "$2" "${{@:5}}" >>{job.folder}/asked
[[ ! -e {job.folder}/stop ]] || . {job.folder}/stop
""")
    (job.folder / "study.toml").write_text(HEADS)
    (job.run / "jobs").mkdir(parents=True)
    heads = job.run / "span" / "seed-1" / "heads"
    variants = {"span_probe": ["-layer-00", "-layer-01", "-layer-02"]}
    made = [heads / name / "epoch-1" / f"lr-0.001-seed-1{variant}" for name in ("learned_pooling", "average_pooling", "span_probe")
            for variant in variants.get(name, ["", "-share-0.5", "-share-0.25"])]

    def make(folder, finished=True):
        (folder / "resume").mkdir(parents=True, exist_ok=True)
        (folder / "resume" / "recipe.json").write_text("{}")
        (folder / "metrics.json").write_text("{}") if finished else (folder / "metrics.json").unlink()

    def asked(**env):
        (job.folder / "asked").unlink(missing_ok=True)
        job.start("train.sh", "--force", check=False, env=env)
        return [line.partition(" --store")[0] for line in (job.folder / "asked").read_text().splitlines()]

    for folder in made:
        make(folder)
    (job.folder / "stop").write_text("exit 85")
    assert asked() == ["learned_pooling,average_pooling,span_probe --force"]
    (job.folder / "stop").unlink()
    for folder in made:
        if folder.parents[1].name != "average_pooling" and "-share-" not in folder.name:
            make(folder, finished="-layer-01" not in folder.name)
    make(heads / "learned_pooling/epoch-1/lr-0.001-seed-1-share-0.5")
    make(heads / "learned_pooling/epoch-1/lr-0.001-seed-1-share-0.25", finished=False)
    shares = "--share 0.5,0.25"
    assert asked(SLURM_RESTART_COUNT="1") == [
        "span_probe", "average_pooling --force", f"learned_pooling {shares}", f"average_pooling {shares} --force"]


DOWN = "Unable to contact slurm controller"
STOPPED = """
while (($#)) && [[ $1 != --output ]]; do shift; done
(($#)) || exit 0 # --version
mkdir -p "$2/checkpoints/epoch-1"
touch "$2/checkpoints/epoch-1/checkpoint.json"
exit 85
"""


class Controller:
    """Stand-ins for Slurm's commands, for sleep, and for a bv_finetune that is told to stop after a checkpoint. The controller does not
    answer the first calls of each command. `warning`: a script of each command that writes to standard error."""

    def __init__(self, job, warning="", **silent):
        self.job = job
        job.programs("bv_finetune", STOPPED)
        job.stand_in("sleep", f"echo $1 >>{job.folder}/slept")
        for command, words in {"squeue": "RUNNING", "scontrol": ""}.items():
            job.stand_in(command, f"[[ $1 != --version ]] || exit 0\necho $* >>{job.folder}/{command}\n"
                         f"(($(wc -l <{job.folder}/{command}) > {silent.get(command, 0)})) || {{ echo {DOWN} >&2; exit 1; }}\n"
                         f"{warning}\necho {words}\n{warning}")

    def calls(self, command):
        path = self.job.folder / command
        return path.read_text().splitlines() if path.exists() else []


def test_a_job_that_is_told_to_stop_is_requeued_although_slurm_does_not_answer_at_once(job):
    slurm = Controller(job, squeue=4, scontrol=4)
    stopped = job.start("finetune.sh", check=False)
    assert stopped.rc == 85 and "told to stop; how far: span seed 1: 1 checkpoints; " in stopped.stdout and not stopped.stderr.count("error:")
    assert len(slurm.calls("squeue")) == 5 and slurm.calls("scontrol") == ["requeue 77"] * 5 and slurm.calls("slept") == ["10"] * 8


WARNING = "echo squeue: warning: a plugin is missing >&2"


def test_warnings_of_slurm_are_no_state_of_a_job(job):
    """The job of before has ended: squeue knows it, but says no state."""
    slurm = Controller(job, WARNING)
    assert job.start("finetune.sh", check=False).rc == 85 and slurm.calls("scontrol") == ["requeue 77"]
    job.stand_in("squeue", f"[[ $1 != --version ]] || exit 0\n[[ $* == *--jobs=76* ]] || echo RUNNING\n{WARNING}")
    job.programs("bv_finetune", STOPPED.replace("epoch-1", "epoch-2"))  # it makes progress
    (job.run / "span" / "seed-1.job").unlink()
    (job.run / "span" / "seed-1.job").symlink_to("76")
    stopped = job.start("finetune.sh", check=False)
    assert stopped.rc == 85 and "job 76 left" in stopped.stdout and slurm.calls("scontrol") == ["requeue 77"] * 2


@pytest.mark.parametrize("silent, words", [
    ("squeue", f"Not requeued, because squeue does not say whether the job was cancelled: {DOWN}."),
    ("scontrol", f"error: slurm/finetune.sh: Slurm does not requeue it: {DOWN}."),
])
def test_a_job_that_is_not_requeued_says_how_to_go_on(job, silent, words):
    slurm = Controller(job, **{silent: 99})
    stopped = job.start("finetune.sh", check=False)
    assert stopped.rc == 85 and len(bv.error_lines(stopped.stderr)) == 1 and words in stopped.stderr
    assert stopped.stderr.endswith("To go on, submit it again, or run slurm/study.sh again\n")
    assert len(slurm.calls(silent)) == 5 and bool(slurm.calls("scontrol")) == (silent == "scontrol")
    assert not list(job.run.rglob("*.job"))


def test_an_output_of_another_job_stays_its_own_while_slurm_does_not_answer(job):
    slurm = Controller(job, squeue=99)
    link = job.run / "span" / "seed-1.job"
    link.parent.mkdir(parents=True)
    link.symlink_to("76")
    refused = job.start("finetune.sh", check=False)
    assert refused.rc == 2 and f"seed-1 belongs to job 76, and squeue does not say whether this job has ended: {DOWN}" in refused.stderr
    assert len(slurm.calls("squeue")) == 5 and str(link.readlink()) == "76"


def test_a_site_file_may_end_in_a_test_that_fails_and_lscpu_may_speak_another_language(job):
    job.stand_in("lscpu", '[[ ${LC_ALL:-} == C ]] && echo "Thread(s) per core:  1" || echo "Thread(s) pro Kern:  1"')
    job.site("export NOTHING=$NOT_SET_ANYWHERE\n[[ -d /nowhere ]] && export NOTHING=1")
    job.start("prepare.sh", env={"LC_ALL": "de_DE.UTF-8"})
    assert (job.run / "features" / "train.h5").exists()
    missing = job.start("prepare.sh", check=False, env={"BV_SITE": "/nowhere/site.sh"})
    assert missing.rc == 2 and "error: slurm/prepare.sh: BV_SITE: cannot read /nowhere/site.sh" in missing.stderr


def warnings(job, **env):
    said = job.start("prepare.sh", check=False, env=env).stderr
    return [line.partition("slurm/prepare.sh: ")[2] for line in said.splitlines() if line.startswith("warning: ")]


def test_a_variable_of_the_site_file_that_has_no_effect_is_named(job):
    job.site("# export BV_OLD=1\nexport BV_RANKS_PER_NODE=1 BV_LAUNCHERS=srun   # and BV_OLDER=1\nBV_NODES=2")
    place = f"{job.folder}/site.sh, line"
    assert warnings(job) == [f"{place} {line}: {name} has no effect; slurm/site.sh shows all settings"
                             for line, name in ((3, "BV_LAUNCHERS"), (4, "BV_NODES"))]


def test_every_variable_that_the_template_of_the_site_file_shows_has_an_effect(job):
    lines = re.findall(r"(BV_\w+)=", (bv.SOURCE / "slurm" / "site.sh").read_text())
    assert len(set(lines)) > 7
    job.site("false && export " + " ".join(f"{name}=1" for name in lines))
    assert warnings(job) == []


def test_a_site_file_that_replaces_the_launcher_that_was_chosen_is_named(job):
    job.site("export BV_LAUNCHER=mpirun")
    assert warnings(job, BV_LAUNCHER="mpirun") == warnings(job, BV_LAUNCHER="") == []
    assert warnings(job, BV_LAUNCHER="srun") == [
        f"{job.folder}/site.sh sets BV_LAUNCHER to 'mpirun', although it was 'srun'; slurm/site.sh shows how to keep it"]


@pytest.mark.parametrize("line, words", [("BV_LAUNCHER=mpiexec", "BV_LAUNCHER is 'mpiexec', neither mpirun nor srun"),
                                         ("BV_RANKS_PER_NODE=two", "BV_RANKS_PER_NODE is 'two', not a positive whole number")])
def test_a_wrong_value_in_the_site_file_is_one_line(job, line, words):
    job.site(line)
    refused = job.start("finetune.sh", check=False)
    assert refused.rc == 2 and refused.stderr == f"error: slurm/finetune.sh: {words}\n"


@pytest.mark.parametrize("chosen", ["mpirun", "srun"])
def test_the_site_file_keeps_a_launcher_that_is_chosen_already(chosen):
    said = bv.run_command(["bash", "-c", '. slurm/site.sh && echo "$BV_LAUNCHER"'], cwd=bv.SOURCE,
                          env={"BV_LAUNCHER": chosen if chosen == "srun" else ""})
    assert said.stdout == f"{chosen}\n"
