"""Reads a run's folder: RUN/<task>/seed-<s>/{checkpoints,evaluations,heads,metrics}."""

import json
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

TASKS = ("span", "classification")


class RunError(Exception):
    """A run's file is not what it should be; the message names it."""


@dataclass
class Result:
    """How right a model or head is on the dev questions, and the files that say so."""

    task: str
    seed: str
    epoch: Fraction | None  # of fine-tuning; None for a row that stands beside the curve
    name: str  # "BERT", a head's name, or a baseline's
    scores: dict  # of metrics.json: the objects official, reference, classification
    files: list[Path]
    variant: str = ""
    parameters: int | None = None
    dev_epoch: Fraction | None = None  # of the states a head was scored on
    layers: list[int] = field(default_factory=list)
    layer_weights: list[dict] = field(default_factory=list)
    rank_hours: float = 0.0  # of training so far, where it was evaluated in training

    @property
    def main(self):
        """The object whose exact and f1 are this task's EM and F1; empty where the dev features have no labels."""
        return self.scores.get("official" if self.task == "span" else "classification") or {}


@dataclass
class Tuning:
    """The last line of a finished metrics/finetune.jsonl."""

    task: str
    seed: str
    summary: dict
    file: Path


@dataclass
class Run:
    folder: Path
    berts: list[Result] = field(default_factory=list)
    others: list[Result] = field(default_factory=list)
    heads: list[Result] = field(default_factory=list)
    in_training: list[Result] = field(default_factory=list)  # BERT at its checkpoints, by bv_finetune --eval-features
    tunings: list[Tuning] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def bert_parameters(self, task):
        """Parameters of the fine-tuned BERT, where known."""
        return next((bert.parameters for bert in self.berts if bert.task == task and bert.parameters), None)


def read_json(path):
    """An object from a JSON file."""
    return _object(_text(path), path, str(path))


def read_json_lines(path):
    """The objects of a JSON lines file; a last line still being written is left out."""
    lines = _text(path).split("\n")[:-1]
    return [_object(line, path, f"{path}: line {number}") for number, line in enumerate(lines, 1)]


def label_of(epoch):
    """0.3, 1, or 1/3 where no decimal is exact."""
    decimal = f"{float(epoch):.10g}"
    return decimal if Fraction(decimal) == epoch else str(epoch)


def read_run(folder):
    """Everything the report shows of the run in `folder`. Throws RunError naming a file that is malformed."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder")
    run = Run(folder)
    for task in TASKS:
        seeds = sorted(path for path in folder.glob(f"{task}/seed-*") if path.is_dir())
        if not seeds:
            run.missing.append(f"No results for the {task} task: there is no {task}/seed-<s>/.")
        for seed in seeds:
            _read_seed(run, task, seed)
    run.configs = sorted(
        {
            *folder.glob("*.toml"),
            *folder.glob("inputs.txt"),
            *folder.glob("*/seed-*/**/*.toml"),
            *folder.glob("features/*.toml"),
        }
    )
    run.berts.sort(key=lambda bert: (bert.task, bert.epoch, bert.seed))
    run.heads.sort(
        key=lambda head: (head.task, head.epoch, head.parameters or 0, head.name, head.seed, head.variant)
    )
    return run


def _read_seed(run, task, folder):
    seed = folder.name.removeprefix("seed-")
    place = folder.relative_to(run.folder)
    before = len(run.berts)
    for path in sorted(folder.glob("evaluations/*/metrics.json")):
        result = _read_evaluation(path, task, seed, folder)
        (run.others if result.epoch is None else run.berts).append(result)
    if len(run.berts) == before:
        run.missing.append(f"No evaluated checkpoint: {place}/evaluations/epoch-<e>/metrics.json is absent.")
    paths = sorted(folder.glob("heads/*/epoch-*/*/metrics.json"))
    run.heads += [_read_head(path, task, seed) for path in paths]
    unfinished = {path.parent for path in folder.glob("heads/*/epoch-*/*/metrics.jsonl")} - {
        path.parent for path in paths
    }
    run.missing += [
        f"Unfinished head: {path.relative_to(run.folder)} has no metrics.json." for path in sorted(unfinished)
    ]
    if not paths:
        run.missing.append(
            f"No trained head: {place}/heads/<head>/epoch-<e>/<variant>/metrics.json is absent."
        )
    path = folder / "metrics" / "finetune.jsonl"
    lines = read_json_lines(path) if path.is_file() else []
    run.in_training += [
        _read_evaluation_in_training(line["evaluation"], task, seed, path) for line in lines if "evaluation" in line
    ]
    if lines and lines[-1].get("done") is True:
        run.tunings.append(Tuning(task, seed, lines[-1], path))
    else:
        run.missing.append(
            f"Fine-tuning has not finished: {path.relative_to(run.folder)} "
            f"{'does not end with its summary' if lines else 'is absent'}."
        )
    for result in [*run.berts, *run.others, *run.heads]:
        if (result.task, result.seed) == (task, seed) and not result.main:
            run.missing.append(
                f"No scores in {result.files[0].relative_to(run.folder)}: its dev features have no labels."
            )


def _read_evaluation(path, task, seed, folder):
    metrics = read_json(path)
    _check_scores(metrics, path)
    result = Result(
        task,
        seed,
        None,
        path.parent.name.replace("-", " "),
        metrics,
        [path],
        parameters=_parameters(metrics, path),
    )
    if not path.parent.name.startswith("epoch-"):
        return result
    checkpoint = folder / "checkpoints" / path.parent.name
    if "epoch" in metrics:
        result.epoch = _epoch(metrics, "epoch", path)
    else:
        description = checkpoint / "checkpoint.json"
        if not description.is_file():
            raise RunError(f"{path}: no key 'epoch', and no {description} to look it up in")
        result.epoch = _epoch(read_json(description), "epoch", description)
        result.files.append(description)
    result.name = "BERT"
    weights = checkpoint / "model.safetensors"
    if result.parameters is None and weights.is_file():
        result.parameters = _count_parameters(weights)
    return result


def _read_evaluation_in_training(evaluation, task, seed, path):
    if not isinstance(evaluation, dict) or not _is_number(evaluation.get("rank_hours")):
        raise RunError(f"{path}: 'evaluation' should be an object with a number 'rank_hours', is {evaluation!r}")
    _check_scores(evaluation, path)
    epoch = _epoch(evaluation, "epoch", path)
    result = Result(task, seed, epoch, "BERT", evaluation, [path], rank_hours=evaluation["rank_hours"])
    if not result.main:
        raise RunError(f"{path}: the evaluation of epoch {epoch} has no scores of the {task} task")
    return result


def _read_head(path, task, seed):
    metrics = read_json(path)
    _check_scores(metrics, path)
    description_path = path.with_name("head.json")
    description = read_json(description_path)
    weights = description.get("layer_weights", [])
    for learned in weights:
        if not all(_is_number(weight) for weight in learned.get("weights", [None])):
            raise RunError(
                f"{description_path}: 'layer_weights' should hold objects with a list of numbers 'weights'"
            )
    epoch = _epoch(metrics, "epoch", path)
    return Result(
        task,
        seed,
        epoch,
        str(metrics.get("head", path.parents[2].name)),
        metrics,
        [path, description_path],
        variant=path.parent.name,
        parameters=_parameters(metrics, path),
        dev_epoch=_epoch(metrics, "dev_epoch", path) if metrics.get("dev_epoch") else epoch,
        layers=description.get("layers", []),
        layer_weights=weights,
    )


def _text(path):
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise RunError(f"{path}: cannot be read: {wrong}") from wrong


def _object(text, path, place):
    try:
        value = json.loads(text)
    except json.JSONDecodeError as wrong:
        where = (
            f"line {wrong.lineno}, column {wrong.colno}" if place == str(path) else f"column {wrong.colno}"
        )
        raise RunError(f"{place}: no JSON: {where}: {wrong.msg}") from wrong
    if not isinstance(value, dict):
        raise RunError(f"{place}: should hold an object, holds a {type(value).__name__}")
    return value


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_scores(metrics, path):
    for name in ("official", "reference", "classification"):
        scores = metrics.get(name)
        if scores is None:
            continue
        if not isinstance(scores, dict):
            raise RunError(f"{path}: '{name}' should be an object, is {scores!r}")
        for key in ("exact", "f1"):
            if not _is_number(scores.get(key)):
                raise RunError(f"{path}: '{name}.{key}' should be a number, is {scores.get(key)!r}")


def _parameters(metrics, path):
    parameters = metrics.get("parameters")
    if parameters is not None and (not isinstance(parameters, int) or parameters < 1):
        raise RunError(f"{path}: 'parameters' should be a whole number, is {parameters!r}")
    return parameters


def _epoch(fields, key, path):
    value = fields.get(key)
    if not isinstance(value, str) or not re.fullmatch(r"\d+([./]\d+)?", value) or value.endswith("/0"):
        raise RunError(f"{path}: '{key}' should be a fraction of an epoch such as \"3/10\", is {value!r}")
    return Fraction(value)


def _count_parameters(path):
    """Elements of all tensors, from the header of a safetensors file."""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, OverflowError, MemoryError) as wrong:
        raise RunError(f"{path}: no safetensors header: {wrong}") from wrong
