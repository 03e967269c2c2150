"""Reads a run's folder: RUN/<task>/seed-<s>/{checkpoints,evaluations,heads,metrics}."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from groups import name_head_seeds, name_recipes
from run_files import (
    Gone,
    RunError,
    check_scores,
    count_parameters,
    divergence_in,
    epoch_in,
    is_number,
    parameters_in,
    read_json,
    read_json_lines,
    read_text,
)
from run_model import TASKS, Result, Run, Tuning

CONFIGS = ("*.toml", "inputs.txt", "*/seed-*/**/*.toml", "features/*.toml")


def read_run(folder):
    """Everything the report shows of the run in `folder`. Throws RunError naming a file that is malformed."""
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder")
    run = Run(folder)
    for task in TASKS:
        seeds = seed_folders(folder, task)
        if not seeds:
            run.missing.append(f"No results for the {task} task: there is no {task}/seed-<s>/.")
        for seed in seeds:
            _read_seed(run, task, seed)
    for path in sorted({path for pattern in CONFIGS for path in folder.glob(pattern)}):
        run.configs += [config for found in run.attempt(_read_config, path) for config in found]
    run.berts.sort(key=lambda bert: (bert.task, bert.epoch, bert.seed))
    for heads in (run.heads, run.controls, run.mixed):
        heads.sort(
            key=lambda head: (head.task, head.epoch, head.parameters or 0, head.name, head.seed, head.variant)
        )
    run.ensembles.sort(key=lambda one: (one.task, one.epoch, one.name, one.seed, one.combine))
    for name in (name_head_seeds, name_recipes):
        name([*run.heads, *run.controls, *run.mixed, *run.ensembles])
    return run


def seed_folders(folder, task):
    """The folders of a task's seeds in the folder of a run."""
    return sorted(path for path in folder.glob(f"{task}/seed-*") if path.is_dir())


def _read_config(path):
    """The path and the text, unless the file went just now: a run without keep_stores removes its stores while it goes on."""
    with suppress(Gone):
        yield path, read_text(path, errors="replace")


def _read_seed(run, task, folder):
    seed = folder.name.removeprefix("seed-")
    place = folder.relative_to(run.folder)
    before = len(run.berts)
    for path in sorted(folder.glob("evaluations/*/metrics.json")):
        for result in run.attempt(_read_evaluation, path, task, seed, folder):
            (run.others if result.epoch is None else run.berts).append(result)
    for bert in run.berts[before:]:
        path = folder / "evaluations" / "held-out-threshold" / bert.files[0].parent.name / "metrics.json"
        if path.is_file():
            run.held_out_thresholds += run.attempt(_read_held_out_threshold, path, bert)
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
        run.ensembles += [one for one in run.attempt(_read_ensemble, path, task, seed, run) if one is not None]
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
        run.tunings += run.attempt(_read_tuning, lines[-1], task, seed, path)
    else:
        run.missing.append(
            f"Fine-tuning has not finished: {path.relative_to(run.folder)} "
            f"{'does not end with its summary' if path.is_file() else 'is absent'}."
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


def _read_held_out_threshold(path, bert):
    """The answers of a checkpoint once more, as launch/stages.sh scores them in a study with hold_out."""
    metrics = read_json(path)
    check_scores(metrics, path)
    answers = metrics.get("answers")
    if not isinstance(answers, dict) or not is_number(answers.get("null_threshold")) or not isinstance(answers.get("threshold_from"), dict):
        raise RunError(f"{path}: 'answers' should be an object with a number 'null_threshold' and an object 'threshold_from', is {answers!r}")
    return replace(bert, scores=metrics, files=[path])


def _read_evaluation_in_training(evaluation, task, seed, path):
    if not isinstance(evaluation, dict) or not is_number(evaluation.get("rank_hours")):
        raise RunError(f"{path}: 'evaluation' should be an object with a number 'rank_hours', is {evaluation!r}")
    check_scores(evaluation, path)
    epoch = epoch_in(evaluation, "epoch", path)
    result = Result(task, seed, epoch, "BERT", evaluation, [path], rank_hours=evaluation["rank_hours"])
    if not result.main:
        raise RunError(f"{path}: the evaluation of epoch {epoch} has no scores of the {task} task")
    return result


def _read_tuning(summary, task, seed, path):
    phases = summary.get("phases", {})
    if not isinstance(phases, dict):
        raise RunError(f"{path}: 'phases' should be an object, is {phases!r}")
    for key, value in [*((key, summary.get(key, 0)) for key in ("seconds", "sequences", "tokens")), *phases.items()]:
        if not is_number(value):
            raise RunError(f"{path}: '{key}' should be a number, is {value!r}")
    return Tuning(task, seed, summary, path)


def _read_head(path, task, seed):
    metrics = read_json(path)
    check_scores(metrics, path)
    description_path = path.with_name("head.json")
    description = read_json(description_path)
    weights = description.get("layer_weights", [])
    for learned in weights:
        if not isinstance(learned, dict) or not all(map(is_number, [*learned.get("weights", [None]), learned.get("gamma", 1.0)])):
            raise RunError(f"{description_path}: 'layer_weights' should hold objects with a list of numbers 'weights' and a number 'gamma'")
    shuffled = {file: about.get("shuffled_labels", False) for file, about in ((path, metrics), (description_path, description))}
    if shuffled[path] not in (True, False) or shuffled[path] != shuffled[description_path]:
        told = " and ".join(f"{value!r} in {file.name}" for file, value in shuffled.items())
        raise RunError(f"{path}: 'shuffled_labels' should be true or false, and the same in head.json; is {told}")
    layers, each_layer = description.get("layers", []), description.get("each_layer", False)
    if not isinstance(layers, list) or not all(isinstance(layer, int) for layer in layers):
        raise RunError(f"{description_path}: 'layers' should be a list of whole numbers, is {layers!r}")
    if each_layer and len(layers) != 1:
        raise RunError(f"{description_path}: 'layers' should name one layer, as 'each_layer' is {each_layer!r}; is {layers!r}")
    share = description.get("share", 1.0)
    if not is_number(share):
        raise RunError(f"{description_path}: 'share' should be a number, is {share!r}")
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
        layers=layers,
        layer_weights=weights,
        each_layer=each_layer,
        share=share,
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
    """Its members are the results beside whose metrics.json their logits lie. None, and named as missing, where one of them has no
    scores: they are absent, or malformed and named as wrong."""
    metrics = read_json(path)
    check_scores(metrics, path)
    place = f"{task}/seed-{seed}/"
    members = []
    for logits in metrics.get("logits", []):
        if not isinstance(logits, dict) or not isinstance(logits.get("path"), str):
            raise RunError(f"{path}: 'logits' should hold objects with a text 'path', holds {logits!r}")
        _, found, rest = logits["path"].rpartition(place)
        beside = (run.folder / place / rest).with_name("metrics.json")
        member = next((result for result in [*run.berts, *run.heads] if result.files[0] == beside), None)
        if found and member is None and _without_scores(run, beside):
            model = beside.parent.relative_to(run.folder)
            run.missing.append(f"Left out: {path.parent.relative_to(run.folder)}: its model {model} has no scores.")
            return None
        if not found or member is None:
            raise RunError(f"{path}: 'logits' names {logits['path']}, which belongs to no result of this run")
        members.append(member)
    if len(members) < 2 or len({member.epoch for member in members}) > 1:
        raise RunError(f"{path}: 'logits' should name logits of several models over one checkpoint")
    name = " + ".join(member.label for member in members)
    return Result(
        task,
        seed,
        members[0].epoch,
        name,
        metrics,
        [path],
        variant=path.parent.name,
        combine=str(metrics.get("combine", "")),
        members=members,
    )


def _without_scores(run, path):
    """Whether a result has a folder, but no scores that could be read from its `path`."""
    return path.parent.is_dir() and not any(result.files[0] == path for result in [*run.others, *run.controls])
