"""The ways to train that tools/bench/finetune.py compares, and how each is run."""

import json
import math
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import h5py
import numpy as np
from bert_sizes import BertSizes

from programs import CORES, HERE, REPOSITORY, BenchError, Programs, counted, read_lines, read_steps, run, text_in


class Job(NamedTuple):
    """One row of the table: a way to train."""

    label: str
    bf16: bool
    ranks: int = 0  # 0 means Python
    threads: int = CORES
    part: int = 1  # divides the batch
    copies: int = 1  # number of equal runs at the same time; only the first counts: the pace of one rank while all cores are busy
    flags: tuple = ()


JOBS = {
    "ours_bf16_2x1": Job("bv_finetune bf16, 2 ranks x 1 thread", True, ranks=2, threads=1),
    "ours_bf16_1x2": Job("bv_finetune bf16, 1 rank x 2 threads", True, ranks=1),
    "ours_fp32_2x1": Job("bv_finetune fp32, 2 ranks x 1 thread", False, ranks=2, threads=1),
    "ours_fp32_1x2": Job("bv_finetune fp32, 1 rank x 2 threads", False, ranks=1),
    "ours_bf16_1x1": Job("bv_finetune bf16, 1 rank x 1 thread, twice", True, ranks=1, threads=1, copies=2),
    "ours_bf16_1x1_half": Job("  the same, half the batch", True, ranks=1, threads=1, part=2, copies=2),
    "python_bf16": Job("Python bf16, padded to the longest", True, flags=("--micro-batches", 1)),
    "python_bf16_sorted": Job("  the same in 4 sorted passes", True, flags=("--micro-batches", 4)),
    "python_fp32": Job("Python fp32, padded to the longest", False, flags=("--micro-batches", 1)),
    "run_qa": Job("run_qa as shipped: fp32, padded to 386", False, flags=("--micro-batches", 1, "--pad-to", 386)),
}


class Bench(Programs):
    """The inputs of all jobs, and how each is run."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.steps = options.warm_up_steps + options.steps
        self.sizes = BertSizes.of_folder(options.model)
        self.text = text_in(options.squad, "train")
        super().__init__(options.programs)
        self.features = folder / "train.h5"
        run([self.program("bv_prepare"), "--squad", self.text, "--model", options.model, "--output", self.features])
        with h5py.File(self.features) as file:
            self.lengths = np.diff(file["features/starts"][:])

    def attended(self):
        """The mean over all tokens of the length of the token's sequence."""
        return float((self.lengths.astype(float) ** 2).sum() / self.lengths.sum())

    def ceiling(self):
        """The result of ceiling.py for as many tokens as a batch has."""
        tokens = round(self.options.batch * float(self.lengths.mean()))
        return json.loads(run([sys.executable, HERE / "ceiling.py", "--model", self.options.model, "--tokens", tokens,
                               "--threads", CORES, "--seconds", 0.01 if self.options.quick else 0.5], **self.python))

    def train(self, job, seed):
        """The log lines of the steps of a job that count; all jobs write step, sequences, tokens, and seconds or phases."""
        output = self.folder / "run"
        batch = max(1, self.options.batch // job.part)
        per_epoch = math.ceil(len(self.lengths) / batch)
        recipe = ["--batch", batch, "--seed", seed]
        if job.ranks:
            self.ours(output, self.options.model, job.ranks, job.threads, *recipe, "--checkpoints",
                      f"{self.steps}/{per_epoch}", "--precision", "bfloat16" if job.bf16 else "float32",
                      copies=job.copies)
        else:
            run([sys.executable, HERE / "peer_finetune.py", "--model", self.options.model, "--train", self.text,
                 *recipe, "--output", output, "--steps", self.steps, "--epochs", math.ceil(self.steps / per_epoch),
                 *(["--bf16"] if job.bf16 else []), *job.flags], **self.python)
        lines = read_steps(output / ("metrics/finetune.jsonl" if job.ranks else "steps.jsonl"))
        shutil.rmtree(output)
        if len(lines) != self.steps:
            raise BenchError(f"{job.label.strip()} made {counted(len(lines), 'step')}, not {self.steps}")
        return lines[self.options.warm_up_steps:]

    def ours(self, output, model, ranks, threads, *flags, copies=1):
        """Runs bv_finetune by peer_finetune.py's recipe, `copies` times at the same time; `output` is the folder of the first run."""
        command = [REPOSITORY / "launch/run_ranks.sh", "--ranks", ranks, "--threads", threads,
                   *(["--oversubscribe"] if copies > 1 else []), "--", self.program("bv_finetune"),
                   "--config", REPOSITORY / "configs/minilm.toml", "--model", model, "--features", self.features,
                   "--task", "span", "--device", "cpu", "--threads", threads, "--resume-every", 0, *flags]
        outputs = [output, *(self.folder / f"copy-{copy}" for copy in range(1, copies))]
        with ThreadPoolExecutor(copies) as pool:
            list(pool.map(lambda place: run([*command, "--output", place]), outputs))
        for copy in outputs[1:]:
            shutil.rmtree(copy)

    def checkpoint_cost(self, seed):
        """What a checkpoint costs 2 ranks of one thread, as (seconds, seconds of a step): a run with one after every
        step, whose steps wait for the writing before, against one with none but the last."""
        batch = self.options.batch
        per_epoch = math.ceil(len(self.lengths) / batch)
        output = self.folder / "run"
        seconds = {}
        for kept in (1, self.steps):
            epochs = ",".join(f"{self.steps - step}/{per_epoch}" for step in reversed(range(kept)))
            self.ours(output, self.options.model, 2, 1, "--batch", batch, "--seed", seed, "--checkpoints", epochs)
            seconds[kept] = read_lines(output / "metrics/finetune.jsonl")[-1]["seconds"]
            shutil.rmtree(output)
        return (seconds[self.steps] - seconds[1]) / (self.steps - 1), seconds[1] / self.steps

    def imbalances(self):
        """The imbalance of each whole batch of 64 of an epoch, divided among 8 ranks. Only tokens matter, so the model is tiny."""
        from transformers import BertConfig, BertModel
        tiny = self.folder / "tiny"
        BertModel(BertConfig.from_pretrained(self.options.model, hidden_size=16, num_hidden_layers=1,
                                             num_attention_heads=1, intermediate_size=16)).save_pretrained(tiny)
        for file in ("vocab.txt", "tokenizer_config.json"):
            if (self.options.model / file).is_file():
                shutil.copy(self.options.model / file, tiny)
        output = self.folder / "shares"
        self.ours(output, tiny, 8, 1, "--batch", 64, "--checkpoints", 1, "--precision", "float32")
        lines = read_steps(output / "metrics/finetune.jsonl")
        return [line["imbalance"] for line in lines if line["sequences"] == 64 or len(lines) == 1]
