"""A run's folder of made-up answers, in the layout of launch/stages.sh: records of questions, and metrics computed from them."""

import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from made_answers import REASONS, Bert, Head, class_columns, seed_of, span_columns
from made_questions import make_questions, write_features
from made_scores import scores_of
from safetensors.numpy import save_file

HEADS = Path(__file__).resolve().parents[2] / "configs" / "heads"
EPOCHS = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1", "2", "3", "4", "5", "6"]
BERT_PARAMETERS, LAYERS, STEPS = 335_143_938, 25, 32_978  # steps: of an epoch
MADE = {"program": "bench", "version": "1", "commit": "none", "host": "nowhere", "time": "2026-01-31T12:00:00Z"}
INT32 = ("context", "window", "begin", "end", "second_begin", "second_end", "reference_begin", "reference_end", "reference_window")
UINT8 = ("id", "answerable", "disagreement", "reference_reversed", "reference_none")


@dataclass
class Shape:
    """How large the made-up run is."""

    questions: int = 11_873
    checkpoints: int = 15
    heads: int = 25
    head_checkpoints: int = 3
    seeds: int = 3
    tasks: list[str] = field(default_factory=lambda: ["span"])
    experiments: bool = False  # less data, layer ablation, layer atlas, shuffled labels, mixed checkpoints and ensembles too
    seed: int = 0

    @property
    def epochs(self):
        """Labels of the checkpoints: the reference's, or some of them, the first and the last among them."""
        return [EPOCHS[place] for place in np.linspace(0, len(EPOCHS) - 1, self.checkpoints).round().astype(int)]

    @property
    def head_epochs(self):
        """Places in `epochs` that have heads: spread over the first two thirds, as the reference's are."""
        return sorted({int(place) for place in np.linspace(0, len(self.epochs) - 1, self.head_checkpoints + 2)[1:-1].round()})


def head_names(task, count):
    """So many names of heads of a task: those of configs/heads, then numbered ones."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(HEADS.glob("*.toml"))}
    names = [name for name, text in texts.items() if f'task = "{task}"' in text and not name.endswith("_probe")]
    return [*names, *(f"{names[0]}_{number}" for number in range(2, count))][:count]


def write_run(run, shape):
    """Writes the run into the folder `run`, which must not exist. Returns how many systems it has."""
    run.mkdir(parents=True)
    made = make_questions(shape.questions, shape.seed)
    write_features(run / "features" / "dev.h5", made)
    return sum(
        SeedWriter(run, made, shape, task, seed).write() for task in shape.tasks for seed in range(1, shape.seeds + 1)
    )


class SeedWriter:
    """Writes one task and seed of a run."""

    def __init__(self, run, made, shape, task, seed):
        self.run, self.made, self.shape, self.task, self.seed = run, made, shape, task, seed
        self.folder = run / task / f"seed-{seed}"
        self.bert = Bert(made, [float(label) for label in shape.epochs], task, seed)
        self.written = 0

    def write(self):
        for place, label in enumerate(self.shape.epochs):
            write_json(self.folder / "checkpoints" / f"epoch-{label}" / "checkpoint.json",
                       {"epoch": fraction(label), "seed": self.seed, "step": round(STEPS * float(label)), "made": MADE})
            self._write_system(f"evaluations/epoch-{label}", self.bert.margin[place], self.bert.odds[place],
                               {"epoch": fraction(label), "parameters": BERT_PARAMETERS, "features": self._source()})
        if self.task == "span":
            self._write_system("evaluations/never-none", self.bert.margin[-1], self.bert.odds[-1],
                               {"features": self._source()}, threshold=1e9)
        self._write_tuning()
        for place in self.shape.head_epochs:
            self._write_heads(place)
            if self.shape.experiments:
                self._write_experiments(place)
        return self.written

    def _source(self, what="dev"):
        """An input as metrics.json names it. Only the dev features are there."""
        return {"path": str(self.run / "features" / f"{what}.h5"),
                "fingerprint": self.made.fingerprint if what == "dev" else hashlib.md5(what.encode()).hexdigest()}

    def _write_system(self, place, margin, odds, about, threshold=0.0):
        """Records and metrics of one system."""
        seed = seed_of(self.task, self.seed, place)
        span = self.task == "span"
        columns = span_columns(self.made, margin, odds, seed, threshold) if span else class_columns(self.made, odds, seed)
        columns = {name: np.ascontiguousarray(column, dtype_of(name)) for name, column in columns.items()}
        metadata = {"task": self.task, "features": self.made.fingerprint, "version": "1"}
        if span:
            metadata |= {"null_threshold": str(threshold), "disagreements": ",".join(REASONS)}
        path = self.folder / place / "questions.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(columns, path, metadata)
        write_json(path.with_name("metrics.json"), {"task": self.task, **about, **scores_of(path), "made": MADE})
        self.written += 1

    def _write_heads(self, place):
        names = head_names(self.task, self.shape.heads)
        for index, name in enumerate(names):
            self._write_head(name, place, 0.25 - 0.5 * abs(index - len(names) / 3) / len(names), parameters_of(index, len(names)))

    def _write_head(self, name, place, skill, parameters, variant="", **about):
        """`about` are further members of head.json."""
        label = self.shape.epochs[place]
        head = Head(self.bert, place, skill, seed_of(self.task, self.seed, name, label, variant))
        folder = f"heads/{name}/epoch-{label}/lr-0.001-seed-{self.seed}{variant}"
        self._write_system(folder, head.margin, head.odds,
                           {"head": name, "parameters": parameters, "epoch": fraction(label), "dev_epoch": fraction(label),
                            "shuffled_labels": about.get("shuffled_labels", False), "features": self._source(),
                            "train_features": self._source("train"), "checkpoint": self._source(f"epoch-{label}"),
                            "store": self._source(f"{label}-train"), "dev_store": self._source(f"{label}-dev")})
        pooled = "pooling" in name or "tenney" in name
        states = LAYERS + (self.task == "classification")
        weights = np.exp(-0.5 * ((np.arange(states) - 17 + skill) / 6) ** 2)
        write_json(self.folder / folder / "head.json", {
            "head": name, "task": self.task, "epoch": fraction(label), "layers": list(range(LAYERS)), "each_layer": False,
            "share": 1.0, "seed": self.seed,
            "layer_weights": [{"weights": list(weights / weights.sum()), "gamma": 1.1}] if pooled else [], **about})
        line = {"epoch": 1, "seconds": 2_000.0 + place, "sequences": 131_911, "ranks": 8, "waiting_share": 0.01 * (1 + place),
                "step_seconds": 0.001 * parameters}
        (self.folder / folder / "metrics.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        return folder

    def _write_experiments(self, place):
        names = head_names(self.task, self.shape.heads)[:3]
        label = self.shape.epochs[place]
        for index, name in enumerate(names):
            parameters = parameters_of(index, self.shape.heads)
            for tenths in range(1, 10):
                self._write_head(name, place, 0.1 - 0.8 / tenths, parameters, f"-share-0.{tenths}", share=tenths / 10)
            for layers in ([LAYERS - 1], [0, LAYERS - 1], list(range(13))):
                self._write_head(name, place, -0.3, parameters, "-layers-" + ",".join(map(str, layers)), layers=layers)
            self._write_control(name, place, parameters)
            self._write_mixed(name, place, parameters)
            self._write_ensemble(name, label, place)
        for layer in range(LAYERS):
            alone = {"layers": [layer], "each_layer": True}
            self._write_head(f"{self.task}_probe", place, -2 + 0.08 * layer, 2050, f"-layer-{layer:02}", **alone)
            self._write_control(f"{self.task}_probe", place, 2050, f"-layer-{layer:02}", **alone)

    def _write_control(self, name, place, parameters, variant="", **about):
        self._write_head(name, place, -6.0, parameters, f"{variant}-shuffled-labels", shuffled_labels=True, **about)

    def _write_mixed(self, name, place, parameters):
        if place == self.shape.head_epochs[-1]:
            return
        later = self.shape.head_epochs[self.shape.head_epochs.index(place) + 1]
        own, other = self.shape.epochs[place], self.shape.epochs[later]
        head = Head(self.bert, later, -0.7, seed_of(self.task, self.seed, name, own, other))
        self._write_system(
            f"evaluations/mixed/{name}/epoch-{own}-on-{other}/lr-0.001-seed-{self.seed}", head.margin, head.odds,
            {"head": name, "parameters": parameters, "epoch": fraction(own), "dev_epoch": fraction(other), "features": self._source()})

    def _write_ensemble(self, name, label, place):
        variant = f"lr-0.001-seed-{self.seed}"
        members = [f"evaluations/epoch-{label}", f"heads/{name}/epoch-{label}/{variant}"]
        for how in ("max", "mean"):
            both = Head(self.bert, place, 0.25, seed_of(self.task, self.seed, name, label, how))
            folder = f"evaluations/ensembles/{name}+BERT/epoch-{label}/{variant}-{how}"
            logits = [str(self.folder / member / "logits.safetensors") for member in members]
            self._write_system(folder, both.margin, both.odds,
                               {"logits": [{"path": path} for path in logits], "combine": how, "features": self._source()})
            text = f"[eval]\nlogits = {json.dumps(logits)}\ncombine = \"{how}\"\n"
            (self.folder / folder / "config.toml").write_text(text, encoding="utf-8")

    def _write_tuning(self):
        """metrics/finetune.jsonl: evaluations on held-out questions (scores like those on dev), and what the run took."""
        lines = []
        for label in self.shape.epochs:
            scores = json.loads((self.folder / "evaluations" / f"epoch-{label}" / "metrics.json").read_text(encoding="utf-8"))
            scores = {key: value for key, value in scores.items() if key in ("official", "reference", "classification")}
            lines.append({"evaluation": {"step": round(STEPS * float(label)), "epoch": fraction(label), "features": "held-out",
                                         "rank_hours": 3.83 * float(label), **scores}})
        lines.append({"done": True, "seconds": 82_728.0, "sequences": 791_466, "tokens": 135_340_686, "ranks": 8,
                      "compute": "made up", "phases": {"data": 0.5, "forward": 30, "backward": 60, "all_reduce": 5, "optimizer": 4.5}})
        path = self.folder / "metrics" / "finetune.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        (self.folder / "finetune.toml").write_text("[finetune]\nlearning_rate = 1e-5\nepochs = 6\n", encoding="utf-8")


def dtype_of(name):
    if name in INT32:
        return np.int32
    return np.uint8 if name in UINT8 or name.endswith("exact") else np.float32


def parameters_of(index, count):
    """From two thousand to twenty million."""
    return round(2_000 * 10 ** (4 * index / max(1, count - 1)))


def fraction(label):
    """An epoch as metrics have it: "3/10"."""
    return str(Fraction(label))


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


