#!/usr/bin/env python3
"""Compares the settings of a study with those that results were made with. launch/made.sh calls it.

settings.py changed STAGE STUDY < PLACES
    Names the first result whose settings differ from the table [STAGE] of STUDY, and the settings. PLACES has a result on each line:
    a features file (prepare), a store (extract), the folder of a seed (finetune) or of a head (train). The programs would refuse such
    a result, but a launcher does not start them if nothing is missing.
settings.py patience STUDY FOLDER
    Prints the patience of the study's fine-tunings, and that of the fine-tuning in FOLDER.
"""

import json
import sys
import tomllib
from pathlib import Path

STAGES = ("prepare", "finetune", "extract", "train", "eval", "report")
RECORDS = {"prepare": "{}.toml", "extract": "{}.toml", "finetune": "{}/finetune.toml", "train": "{}/config.toml"}  # with all flags
# The settings on which a file depends. For a training its recipe names them.
OF_FILES = {"prepare": ("max_tokens", "max_question_tokens", "stride", "stride_means", "label_rule", "limit", "seed"),
            "extract": ("dtype", "layers")}
OF_TRAINING_FEATURES = ("unfound", "hold_out")  # the launchers set both for the dev features
# Keys of a recipe that the launcher sets itself, or that name the folder. The precision in a head's recipe is that of its states.
ASIDE = {"finetune": {"task", "model", "features", "seed"}, "train": {"seed", "learning_rate", "layers", "precision"}}
IN_RECIPE = {"data_seed": "order"}  # by another name
OF_TASK = {"train": ("epochs", "batch")}  # the flag 0 means the number of the task


def read(path, parse):
    try:
        return parse(Path(path).read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from None


def table_of(path, table):
    return read(path, tomllib.loads).get(table, {})


def wanted_by(study, stage):
    """The settings of a stage: each key has its value, and the table that it is in."""
    wanted = {key: (value, stage) for key, value in ({"patience": 0} | table_of(study, stage)).items()}
    hold_out = table_of(study, "study").get("hold_out")
    return wanted if stage != "prepare" or hold_out is None else wanted | {"hold_out": (hold_out, "study")}


def items_of(value):
    """Lists may be given as text too: "1e-4,3e-4"."""
    if isinstance(value, list):
        return [item for part in value for item in items_of(part)]
    return [str(value).lower()] if isinstance(value, bool) else [item.strip() for item in str(value).split(",")]


def same_item(one, other):
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def same(one, other):
    """TOML may give a number, a list or a truth as text."""
    ours, others = items_of(one), items_of(other)
    return len(ours) == len(others) and all(map(same_item, ours, others))


def differences(place, stage, wanted):
    """For each setting whose value in the study differs: its key, its value there, the study's value, and its table in the study.
    Settings that the study leaves out have the programs' defaults, which are not known here, but no patience means 0."""
    record, recipe = Path(RECORDS[stage].format(place)), Path(place) / "resume" / "recipe.json"
    if not record.is_file() or (stage in ASIDE and not recipe.is_file()):
        return
    flags, used = table_of(record, stage), {}
    if stage in ASIDE:
        used = read(recipe, json.loads)
        keys = [key for key in wanted if IN_RECIPE.get(key, key) in used and key not in ASIDE[stage]]
    else:
        keys = OF_FILES[stage] + (OF_TRAINING_FEATURES if Path(place).name == "train.h5" else ())
    for key, (value, table) in wanted.items():
        known = [settings[key] for settings in (used, flags) if key in settings]
        if key not in keys or not known or value == "auto":
            continue
        # A flag may stand for a value that the program chooses. Then the recipe has the value that was used.
        chosen = flags.get(key) == "auto" or (key in OF_TASK.get(stage, ()) and flags.get(key) == 0)
        equal = [same(value, there) for there in known]
        if not (any(equal) if chosen else all(equal)):
            yield key, known[equal.index(False)], value, table


def changed(stage, study, places):
    wanted = wanted_by(study, stage)
    found = [(place, list(differences(place, stage, wanted))) for place in places]
    found = [(place, keys) for place, keys in found if keys]
    if found:
        place, keys = found[0]
        others = f", and {len(found) - 1} more" if len(found) > 1 else ""
        made = ", ".join(f"{key} {there}" for key, there, _, _ in keys)
        tables = {table: ", ".join(f"{key} {value}" for key, _, value, its in keys if its == table) for *_, table in keys}
        now = ", ".join(f"{values} in [{table}]" for table, values in tables.items())
        again = STAGES[STAGES.index(stage):]
        jobs = ", ".join("evaluate.sh" if one == "eval" else f"{one}.sh" for one in again)
        print(f"{Path(place)}{others}: made with {made}, but {study} has {now}; make it and the results of all later stages again: "
              f"launch/debug.sh {' '.join(again)} --force, or submit the jobs {jobs} of slurm/ in this order, each with --force "
              f"(--task and --seed choose the results; slurm/study.sh has no --force); or name another folder by --run")


def main():
    mode, *words = sys.argv[1:]
    try:
        if mode == "changed":
            changed(*words, sys.stdin.read().splitlines())
        else:
            study, folder = words
            print(*(table_of(file, "finetune").get("patience", 0) for file in (study, RECORDS["finetune"].format(folder))))
    except (OSError, ValueError) as wrong:
        sys.exit(f"error: launch/settings.py: {wrong}")


if __name__ == "__main__":
    main()
