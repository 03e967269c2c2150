"""Reads a run's folder: RUN/<task>/seed-<s>/{checkpoints,evaluations,heads,metrics}."""

import inspect
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from run_files import (
    RunError,
    check_scores,
    count_parameters,
    divergence_in,
    epoch_in,
    is_number,
    parameters_in,
    read_json,
    read_json_lines,
)

TASKS = ("span", "classification")
POOLED_OUTPUT = "pooled"


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
    each_layer: bool = False  # a linear probe or the like, on one hidden state
    share: float = 1.0  # of the training questions that a head was trained on
    shuffled_labels: bool = False  # a control: its training labels were permuted among the questions
    diverged: str = ""  # where a head's training did; its scores are of its best epoch before
    combine: str = ""  # how an ensemble makes one of its members: max or mean
    members: list["Result"] = field(default_factory=list)
    rank_hours: float = 0.0  # of training so far, where it was evaluated in training
    mark: str = ""  # why it cannot be compared with the others, where the report was told to show it nevertheless

    @property
    def main(self):
        """The object whose exact and f1 are this task's EM and F1; empty where the dev features have no labels."""
        return self.scores.get("official" if self.task == "span" else "classification") or {}

    @property
    def dev_features(self):
        """Path and fingerprint of the features that it was scored on; empty where its metrics.json does not tell. In that of a head
        `features` are those that it was trained on."""
        named = self.scores.get("dev_features", self.scores.get("features"))
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
    name: str = "fine-tuning"
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
    in_training: list[Result] = field(default_factory=list)  # BERT at its checkpoints, by bv_finetune --eval-features
    tunings: list[Tuning] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # files that cannot be read: a line each

    @property
    def results(self):
        """All that were scored on the dev questions."""
        return [*self.berts, *self.heads, *self.controls, *self.mixed, *self.ensembles]

    def attempt(self, read, *arguments):
        """[what `read` gives]; [] where a file is malformed, which is named in `wrong`: one file does not cost the others."""
        try:
            return [list(made) if inspect.isgenerator(made := read(*arguments)) else made]
        except RunError as wrong:
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
    for heads in (run.heads, run.controls, run.mixed):
        heads.sort(
            key=lambda head: (head.task, head.epoch, head.parameters or 0, head.name, head.seed, head.variant)
        )
    run.ensembles.sort(key=lambda one: (one.task, one.epoch, one.name, one.seed, one.combine))
    return run


def _read_seed(run, task, folder):
    seed = folder.name.removeprefix("seed-")
    place = folder.relative_to(run.folder)
    before = len(run.berts)
    for path in sorted(folder.glob("evaluations/*/metrics.json")):
        for result in run.attempt(_read_evaluation, path, task, seed, folder):
            (run.others if result.epoch is None else run.berts).append(result)
    if len(run.berts) == before:
        run.missing.append(f"No evaluated checkpoint: {place}/evaluations/epoch-<e>/metrics.json is absent.")
    paths = sorted(folder.glob("heads/*/epoch-*/*/metrics.json"))
    for path in paths:
        for diverged in run.attempt(lambda path=path: divergence_in(read_json(path), path)):
            if diverged and not path.with_name("head.json").is_file():
                run.missing.append(f"{path.parent.relative_to(run.folder)} {diverged}: the head has no scores.")
            else:
                for head in run.attempt(_read_head, path, task, seed):
                    (run.controls if head.shuffled_labels else run.heads).append(head)
    for path in sorted(folder.glob("evaluations/mixed/*/*/*/metrics.json")):
        run.mixed += run.attempt(_read_mixed, path, task, seed)
    for path in sorted(folder.glob("evaluations/ensembles/*/*/*/metrics.json")):
        run.ensembles += run.attempt(_read_ensemble, path, task, seed, run)
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
    lines = [line for lines in run.attempt(read_json_lines, path) for line in lines] if path.is_file() else []
    for line in lines:
        if "evaluation" in line:
            run.in_training += run.attempt(_read_evaluation_in_training, line["evaluation"], task, seed, path)
    if lines and lines[-1].get("done") is True:
        run.tunings.append(Tuning(task, seed, lines[-1], path))
    else:
        run.missing.append(
            f"Fine-tuning has not finished: {path.relative_to(run.folder)} "
            f"{'does not end with its summary' if lines else 'is absent'}."
        )
    for result in [*run.berts, *run.others, *run.heads, *run.controls]:
        if (result.task, result.seed) == (task, seed) and not result.main:
            run.missing.append(
                f"No scores in {result.files[0].relative_to(run.folder)}: its dev features have no labels."
            )


def _read_evaluation(path, task, seed, folder):
    metrics = read_json(path)
    check_scores(metrics, path)
    result = Result(
        task,
        seed,
        None,
        path.parent.name.replace("-", " "),
        metrics,
        [path],
        parameters=parameters_in(metrics, path),
    )
    if not path.parent.name.startswith("epoch-"):
        return result
    checkpoint = folder / "checkpoints" / path.parent.name
    if "epoch" in metrics:
        result.epoch = epoch_in(metrics, "epoch", path)
    else:
        description = checkpoint / "checkpoint.json"
        if not description.is_file():
            raise RunError(f"{path}: no key 'epoch', and no {description} to look it up in")
        result.epoch = epoch_in(read_json(description), "epoch", description)
        result.files.append(description)
    result.name = "BERT"
    weights = checkpoint / "model.safetensors"
    if result.parameters is None and weights.is_file():
        result.parameters = count_parameters(weights)
    return result


def _read_evaluation_in_training(evaluation, task, seed, path):
    if not isinstance(evaluation, dict) or not is_number(evaluation.get("rank_hours")):
        raise RunError(f"{path}: 'evaluation' should be an object with a number 'rank_hours', is {evaluation!r}")
    check_scores(evaluation, path)
    epoch = epoch_in(evaluation, "epoch", path)
    result = Result(task, seed, epoch, "BERT", evaluation, [path], rank_hours=evaluation["rank_hours"])
    if not result.main:
        raise RunError(f"{path}: the evaluation of epoch {epoch} has no scores of the {task} task")
    return result


def _read_head(path, task, seed):
    metrics = read_json(path)
    check_scores(metrics, path)
    description_path = path.with_name("head.json")
    description = read_json(description_path)
    weights = description.get("layer_weights", [])
    for learned in weights:
        if not all(is_number(weight) for weight in learned.get("weights", [None])):
            raise RunError(
                f"{description_path}: 'layer_weights' should hold objects with a list of numbers 'weights'"
            )
    shuffled = {file: about.get("shuffled_labels", False) for file, about in ((path, metrics), (description_path, description))}
    if shuffled[path] not in (True, False) or shuffled[path] != shuffled[description_path]:
        told = " and ".join(f"{value!r} in {file.name}" for file, value in shuffled.items())
        raise RunError(f"{path}: 'shuffled_labels' should be true or false, and the same in head.json; is {told}")
    epoch = epoch_in(metrics, "epoch", path)
    return Result(
        task,
        seed,
        epoch,
        str(metrics.get("head", path.parents[2].name)),
        metrics,
        [path, description_path],
        variant=path.parent.name,
        parameters=parameters_in(metrics, path),
        dev_epoch=epoch_in(metrics, "dev_epoch", path) if metrics.get("dev_epoch") else epoch,
        layers=description.get("layers", []),
        layer_weights=weights,
        each_layer=description.get("each_layer", False),
        share=description.get("share", 1.0),
        shuffled_labels=shuffled[path],
        diverged=divergence_in(metrics, path),
    )


def _read_mixed(path, task, seed):
    metrics = read_json(path)
    check_scores(metrics, path)
    return Result(
        task,
        seed,
        epoch_in(metrics, "epoch", path),
        str(metrics.get("head")),
        metrics,
        [path],
        variant=path.parent.name,
        parameters=parameters_in(metrics, path),
        dev_epoch=epoch_in(metrics, "dev_epoch", path),
    )


def _read_ensemble(path, task, seed, run):
    """Its members are the results beside whose metrics.json their logits lie."""
    metrics = read_json(path)
    check_scores(metrics, path)
    place = f"{task}/seed-{seed}/"
    members = []
    for logits in metrics.get("logits", []):
        _, found, rest = logits["path"].rpartition(place)
        beside = (run.folder / place / rest).with_name("metrics.json")
        member = next((result for result in [*run.berts, *run.heads] if result.files[0] == beside), None)
        if not found or member is None:
            raise RunError(f"{path}: 'logits' names {logits['path']}, which belongs to no result of this run")
        members.append(member)
    if len(members) < 2 or len({member.epoch for member in members}) > 1:
        raise RunError(f"{path}: 'logits' should name those of several models over one checkpoint")
    name = " + ".join(member.name.replace("_", " ") for member in members)
    return Result(
        task, seed, members[0].epoch, name, metrics, [path], combine=metrics["combine"], members=members
    )
