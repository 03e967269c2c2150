"""A small study of the tiny model, and what launch/ says of it and makes of it."""

import json
import shutil
import sys

import bv

SCRIPT = """
set -euo pipefail
. launch/road.sh
. launch/stages.sh
while (($#)) && read_flag "$PWD" "$@"; do shift "$taken"; done
use_build
check_flags
read_study
if [[ $study_keep_stores ]]; then all=(prepare finetune extract train eval); else all=(prepare finetune extract_and_train eval); fi
(($#)) || set -- "${all[@]}"
for stage in "$@"; do check_settings "$stage"; done
for stage in "$@"; do "stage_$stage"; done
"""
READ = SCRIPT.partition("if [[ $study_keep_stores")[0]
STUDY = """
[study]
corpus_train = 24
corpus_dev = 12
tasks = {tasks}
states_at = ["0.5", "1"]
span_heads = ["learned_pooling", "average_pooling"]
classification_heads = ["tenney_small", "adapter_pooler_mean"]
keep_stores = {keep_stores}
shares = [0.5, 1]
layer_subsets = ["0,2"]
layer_atlas = true
mixed = ["0.5:1"]
span_ensembles = ["learned_pooling+BERT", "average_pooling+learned_pooling"]
classification_ensembles = ["tenney_small+BERT", "adapter_pooler_mean+tenney_small"]
[finetune]
checkpoints = "0.5,1"
batch = 8
"""


def pretend_tuning(seed, **settings):
    """Makes the folder of a seed look like that of a finished fine-tuning with one checkpoint, at epoch 1, and these settings."""
    for place, text in {"checkpoints/epoch-1/checkpoint.json": "{}", "metrics/finetune.jsonl": '{"done":true}\n',
                        "resume/recipe.json": json.dumps(settings),
                        "finetune.toml": "[finetune]\n" + "".join(f"{key} = {json.dumps(settings[key])}\n" for key in settings)}.items():
        (seed / place).parent.mkdir(parents=True, exist_ok=True)
        (seed / place).write_text(text)


class Study:
    """A study of the tiny model in a folder of its own."""

    def __init__(self, folder, model, keep_stores="true", tasks='["span"]', change=("", "")):
        folder.mkdir(exist_ok=True)
        self.run = folder / "run"
        self.config = folder / "study.toml"
        self.config.write_text(STUDY.format(keep_stores=keep_stores, tasks=tasks).replace(*change))
        self.model = model
        self.seed = self.run / "span" / "seed-1"

    def make(self, *stages, check=True, env=None):
        return bv.run_command(["bash", "-c", SCRIPT, "study", "--config", self.config, "--model", self.model, "--run", self.run,
                               "--ranks", 1, *stages], check=check, timeout=300, cwd=bv.SOURCE,
                              env={"BV_BIN": str(bv.BIN), "BV_PYTHON": sys.executable, "SLURM_JOB_ID": "", **(env or {})})

    def said(self, command):
        """The words of each line that a function of launch/ prints."""
        done = bv.run_command(["bash", "-c", READ + command, "study", "--config", self.config, "--model", self.model, "--run", self.run],
                              cwd=bv.SOURCE, env={"BV_BIN": str(bv.BIN), "BV_PYTHON": sys.executable, "SLURM_JOB_ID": ""})
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]

    def missing(self):
        """The runs of bv_train that the heads of epoch 1 still need: their heads and flags."""
        return self.said("missing_trainings span 1 1")

    def pretend(self, *heads):
        """Makes places at epoch 1 look like those of trained heads of the tiny model."""
        checkpoint = self.seed / "checkpoints" / "epoch-1"
        checkpoint.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.model / "config.json", checkpoint)
        for head in heads:
            name, folder = head.split("/")
            (self.seed / "heads" / name / "epoch-1" / folder).mkdir(parents=True)
            for file in ("head.json", "metrics.json"):
                (self.seed / "heads" / name / "epoch-1" / folder / file).write_text("{}")

    def made(self, folder, task="span"):
        """The results in one of the run's folders, by place, with the time they were made."""
        root = self.run / task / "seed-1" / folder
        return {str(path.parent.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("metrics.json")}
