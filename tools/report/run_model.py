"""The content of a run: results of models and heads, and the cost of fine-tuning. run_folder.py reads it from the run's folder."""

import inspect
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from run_files import RunError

TASKS = ("span", "classification")
POOLED_OUTPUT = "pooled"


@dataclass
class Result:
    """How right a model or head is on the dev questions, and the files that say so."""

    task: str
    seed: str  # of fine-tuning
    epoch: Fraction | None  # of fine-tuning; None for a row that stands beside the curve
    name: str  # "BERT", a head's name, or a baseline's
    scores: dict  # of metrics.json: the objects official, reference, classification
    files: list[Path]
    variant: str = ""
    recipe: str = ""  # of a head's training, where the run has heads of its name with several
    head_seed: str = ""  # of a head's own training, where one seed of fine-tuning has several heads that differ in nothing else
    parameters: int | None = None
    dev_epoch: Fraction | None = None  # of the states a head was scored on
    layers: list[int] = field(default_factory=list)
    layer_weights: list[dict] = field(default_factory=list)
    each_layer: bool = False  # a linear probe or the like, on one hidden state
    share: float = 1.0  # of the training questions that a head was trained on
    shuffled_labels: bool = False  # a control: its training labels were permuted among the questions
    diverged: str = ""  # where a head's training did; its scores are of its best epoch before
    combine: str = ""  # how an ensemble makes one of its members: max or mean
    members: list["Result"] = field(default_factory=list)
    rank_hours: float | None = None  # of training so far, where it was evaluated in training
    mark: str = ""  # why it cannot be compared with the others, where the report was told to show it nevertheless

    @property
    def label(self):
        """Its name as people read it, with its recipe where it has one."""
        return self.name.replace("_", " ") + (f" ({self.recipe})" if self.recipe else "")

    @property
    def seed_text(self):
        """Its seed, as people read it, which it shares with no result of its group."""
        return f"{self.seed}, head seed {self.head_seed}" if self.head_seed else self.seed

    @property
    def main(self):
        """The object whose exact and f1 are this task's EM and F1; empty where the dev features have no labels."""
        return self.scores.get("official" if self.task == "span" else "classification") or {}

    @property
    def dev_features(self):
        """Path and fingerprint of the features on which it was scored; empty if its metrics.json does not name them."""
        named = self.scores.get("features")
        return named if isinstance(named, dict) else {}

    def weighed_states(self, learned):
        """Names of the states that one of `layer_weights` weighs: layers, in the classification task with the
        pooled output before them; a pooling of something else has places."""
        states = [str(layer) for layer in self.layers]
        if self.task == "classification":
            states.insert(0, POOLED_OUTPUT)
        count = len(learned["weights"])
        return states if len(states) == count else [str(place) for place in range(count)]


@dataclass
class Tuning:
    """The last line of a finished metrics/finetune.jsonl."""

    task: str
    seed: str
    summary: dict
    file: Path
    epoch: Fraction | None = None
    label: str = "fine-tuning"
    scores: dict = field(default_factory=dict)

    @property
    def files(self):
        return [self.file]


@dataclass
class Run:
    folder: Path
    berts: list[Result] = field(default_factory=list)
    others: list[Result] = field(default_factory=list)
    heads: list[Result] = field(default_factory=list)
    controls: list[Result] = field(default_factory=list)  # heads trained on shuffled labels: nowhere among the others
    mixed: list[Result] = field(default_factory=list)  # heads on states of another checkpoint than their own
    ensembles: list[Result] = field(default_factory=list)
    held_out_thresholds: list[Result] = field(default_factory=list)  # the answers of `berts`, at a threshold chosen elsewhere
    in_training: list[Result] = field(default_factory=list)  # BERT at its checkpoints, by bv_finetune --eval-features
    tunings: list[Tuning] = field(default_factory=list)
    configs: list[tuple[Path, str]] = field(default_factory=list)  # the files of settings, and their texts
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # files that cannot be read: a line each

    @property
    def results(self):
        """All results that were scored on the dev questions."""
        return [*self.berts, *self.heads, *self.controls, *self.mixed, *self.ensembles]

    def attempt(self, read, *arguments):
        """[the result of `read`]; [] if a file is malformed. It is named in `wrong`, once, and the other files are still read."""
        try:
            return [list(made) if inspect.isgenerator(made := read(*arguments)) else made]
        except RunError as wrong:
            if str(wrong) not in self.wrong:
                self.wrong.append(str(wrong))
            return []

    def bert_parameters(self, task):
        """Parameters of the fine-tuned BERT, where known."""
        return next((bert.parameters for bert in self.berts if bert.task == task and bert.parameters), None)

    def all_layers(self, task):
        """The hidden states that there are, as far as heads read them."""
        return sorted({layer for head in self.heads if head.task == task for layer in head.layers})

    def plain_heads(self, task):
        """The heads that read all hidden states and were trained on all questions."""
        layers = self.all_layers(task)
        return [
            head
            for head in self.heads
            if head.task == task and not head.each_layer and head.share == 1 and head.layers in ([], layers)
        ]


def label_of(epoch):
    """0.3 or 1; 1/3 if nine decimals are not exact. Folder names have the same label, with "_" for "/" (src/optim/epoch.cpp)."""
    if 10**9 % epoch.denominator:
        return str(epoch)
    whole, part = divmod(int(epoch * 10**9), 10**9)
    return f"{whole}.{part:09}".rstrip("0").rstrip(".")
