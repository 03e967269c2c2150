#!/usr/bin/env python3
"""Compares the settings of a study with those that trainings were made with. launch/made.sh calls it.

settings.py changed finetune|train STUDY < PLACES
    Prints how a training differs from the table [finetune] or [train] of STUDY, if one does. PLACES has folders of trainings, one on
    each line. bv_finetune and bv_train would refuse such a training, but a launcher does not start them if nothing is missing.
settings.py patience STUDY FOLDER
    Prints the patience of the study's fine-tunings, and that of the fine-tuning in FOLDER.
"""

import json
import sys
import tomllib
from pathlib import Path

RECORDS = {"finetune": "finetune.toml", "train": "config.toml"}  # files in the folder of a training, with all its flags
# Keys of a recipe that the launcher sets itself, or that name the folder. The precision in a head's recipe is that of its states.
ASIDE = {"finetune": {"task", "model", "features", "seed"}, "train": {"seed", "learning_rate", "layers", "precision"}}
IN_RECIPE = {"data_seed": "order"}  # by another name


def table_of(path, table):
    with open(path, "rb") as file:
        return tomllib.load(file).get(table, {})


def same(one, other):
    """TOML may give a number as text."""
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return one == other


def differences(place, table, wanted):
    """For each setting that a training would have otherwise: its key, its value there, and the study's value. Settings that the study
    leaves out have the programs' defaults, which are not known here, but no patience means 0."""
    record, recipe = place / RECORDS[table], place / "resume" / "recipe.json"
    if not record.is_file() or not recipe.is_file():
        return
    there, used = table_of(record, table), json.loads(recipe.read_text(encoding="utf-8"))
    for key, value in {"patience": 0, **wanted}.items():
        if key in ASIDE[table] or IN_RECIPE.get(key, key) not in used or value == "auto":
            continue
        # A flag may stand for a default of the task: the recipe has the number that was used.
        if not same(value, there.get(key)) and not same(value, used.get(key)):
            yield key, used.get(key, there.get(key)), value


def changed(table, study, places):
    wanted = table_of(study, table)
    found = [(place, list(differences(Path(place), table, wanted))) for place in places]
    found = [(place, keys) for place, keys in found if keys]
    if found:
        place, keys = found[0]
        others = f", and {len(found) - 1} more" if len(found) > 1 else ""
        made = ", ".join(f"{key} {there}" for key, there, _ in keys)
        now = ", ".join(f"{key} {value}" for key, _, value in keys)
        print(f"{Path(place)}{others}: made with {made}, but {study} has {now} in [{table}]; --force of launch/debug.sh or slurm/{table}.sh "
              "makes it again; or name another folder by --run")


def main():
    mode, *words = sys.argv[1:]
    try:
        if mode == "changed":
            changed(*words, sys.stdin.read().splitlines())
        else:
            study, folder = words
            files = (study, Path(folder) / RECORDS["finetune"])
            print(*(table_of(file, "finetune").get("patience", 0) for file in files))
    except (OSError, ValueError) as wrong:
        sys.exit(f"error: launch/settings.py: {wrong}")


if __name__ == "__main__":
    main()
