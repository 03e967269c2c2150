"""Whether a result can be held against the paper: in which model, data and recipe it differs, by the run's own files."""

import json
import math
import tomllib
from pathlib import Path

from counted import counted
from run_files import RunError, read_json

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
MODEL, DATA, RECIPE = "other model", "other data", "other recipe"
RATE_TOLERANCE = 0.02  # learning rates are written with two digits


def seed_differences(run, task, seed):
    """(kind, words) of each difference of a task's seed to the paper, in the checkpoints that all its results stand on."""
    place = run.folder / task / f"seed-{seed}"
    checkpoints = sorted(place.glob("checkpoints/*"))
    model = _first(path / "config.json" for path in checkpoints)
    description = _first(path / "checkpoint.json" for path in checkpoints)
    recipe = _first([place / "resume" / "recipe.json"])
    return [
        *_model_differences(model, run.bert_parameters(task)),
        *_features_differences(run.folder),
        *_training_differences(description, recipe),
        *_recipe_differences(recipe),
    ]


def result_differences(result):
    """(kind, words) of each difference in the questions that a result was scored on, and in the training of a head."""
    found = []
    total = (result.scores.get("reference" if result.task == "span" else "classification") or {}).get("total")
    wanted = PUBLISHED["data"]["dev_questions"]
    if total != wanted:
        ours = "an unknown number of dev questions" if total is None else counted(total, "dev question")
        found.append((DATA, f"{ours}, not {_text(wanted)}"))
    if result.dev_epoch is not None:  # a head
        found += _head_differences(result)
    for member in result.members:
        found += [one for one in result_differences(member) if one not in found]
    return found


def _head_differences(head):
    description = read_json(head.files[1])
    found = [
        (RECIPE, f"head trained with {key.replace('_', ' ')} {_text(description.get(key))}, not {_text(value)}")
        for key, value in PUBLISHED["head_recipe"][head.task].items()
        if description.get(key) != value
    ]
    states = PUBLISHED["model"]["num_hidden_layers"] + 1
    if len(head.layers) != states:
        found.append((RECIPE, f"head over {counted(len(head.layers), 'hidden state')}, not {states}"))
    if description.get("held_out") or description.get("held_out_features"):
        found.append((RECIPE, "head with its best epoch chosen on held-out questions"))
    return found


def _first(paths):
    return next((read_json(path) for path in paths if path.is_file()), None)


def _text(value):
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if isinstance(value, float) else str(value)


def _model_differences(config, parameters):
    wanted = PUBLISHED["model"]
    if config is None:
        return [(MODEL, "unknown, as no checkpoint has a config.json")]
    found = [
        (MODEL, f"{name} {_text(config.get(key))}, not {_text(wanted[key])}")
        for key, name in (("hidden_size", "hidden size"), ("num_hidden_layers", "number of layers"))
        if config.get(key) != wanted[key]
    ]
    if not found and parameters not in (None, wanted["parameters"]):
        found.append((MODEL, f"{_text(parameters)} parameters, not {_text(wanted['parameters'])}"))
    return found


def _features_differences(folder):
    found = []
    for split in ("train", "dev"):
        path = folder / "features" / f"{split}.h5.toml"
        if not path.is_file():
            found.append((DATA, f"features unknown, as there is no features/{path.name}"))
            continue
        try:
            prepared = tomllib.loads(path.read_text(encoding="utf-8")).get("prepare", {})
        except (ValueError, OSError) as wrong:
            raise RunError(f"{path}: no TOML: {wrong}") from wrong
        found += [
            (DATA, f"{split} features with {key.replace('_', ' ')} {_text(prepared.get(key))}, not {value}")
            for key, value in PUBLISHED["features"].items()
            if prepared.get(key) != value
        ]
    return found


def _training_differences(description, recipe):
    """How many training windows there were tells the number of steps of an epoch."""
    steps, batch = (description or {}).get("steps_per_epoch"), (recipe or {}).get("batch")
    if not steps or not batch:
        return [(DATA, "training questions unknown, as no checkpoint.json tells the steps of an epoch")]
    expected = math.ceil(PUBLISHED["data"]["train_windows"] / batch)
    return [] if steps == expected else [(DATA, f"{counted(steps, 'step')} an epoch, not {_text(expected)} as for all training questions")]


def _recipe_differences(recipe):
    """A larger batch with a rate larger by its square root is the same recipe here (Malladi et al. 2022)."""
    if recipe is None:
        return [(RECIPE, "fine-tuning unknown, as there is no resume/recipe.json")]
    wanted = dict(PUBLISHED["fine_tuning_recipe"])
    scale = math.sqrt(recipe.get("batch", 0) / wanted.pop("batch"))
    rate = wanted.pop("learning_rate") * scale
    found = []
    if not math.isclose(recipe.get("learning_rate", 0), rate, rel_tol=RATE_TOLERANCE):
        found.append((RECIPE, f"fine-tuning with learning rate {_text(recipe.get('learning_rate'))}, not {_text(rate)} as for its batch"))
    found += [
        (RECIPE, f"fine-tuning with {key.replace('_', ' ')} {_text(recipe.get(key))}, not {_text(value)}")
        for key, value in wanted.items()
        if recipe.get(key) != value
    ]
    return found
