#!/usr/bin/env python3
"""Compares the settings of a study with those that results were made with. launch/made.sh calls it.

settings.py changed STAGE STUDY < PLACES
    Prints how the first result that differs from the table [STAGE] of STUDY does so, if one does. PLACES has a result on each line: a
    features file (prepare), a store (extract), the folder of a seed (finetune) or of a head (train). The programs would refuse such a
    result, but a launcher does not start them if nothing is missing.
settings.py patience STUDY FOLDER
    Prints the patience of the study's fine-tunings, and that of the fine-tuning in FOLDER.
"""

import json
import sys
import tomllib
from pathlib import Path

RECORDS = {"prepare": "{}.toml", "extract": "{}.toml", "finetune": "{}/finetune.toml", "train": "{}/config.toml"}  # with all flags
# The settings on which a file depends. For a training its recipe names them.
OF_FILES = {"prepare": ("max_tokens", "max_question_tokens", "stride", "stride_means", "label_rule", "limit", "seed"),
            "extract": ("dtype", "layers")}
# Keys of a recipe that the launcher sets itself, or that name the folder. The precision in a head's recipe is that of its states.
ASIDE = {"finetune": {"task", "model", "features", "seed"}, "train": {"seed", "learning_rate", "layers", "precision"}}
IN_RECIPE = {"data_seed": "order"}  # by another name


def table_of(path, table):
    with open(path, "rb") as file:
        return tomllib.load(file).get(table, {})


def text_of(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value


def same(one, other):
    """TOML may give a number as text, and layers as a list."""
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return text_of(one) == text_of(other)


def differences(place, stage, wanted):
    """For each setting that a result would have otherwise: its key, its value there, and the study's value. Settings that the study
    leaves out have the programs' defaults, which are not known here, but no patience means 0."""
    record, recipe = Path(RECORDS[stage].format(place)), Path(place) / "resume" / "recipe.json"
    if not record.is_file() or (stage in ASIDE and not recipe.is_file()):
        return
    there = table_of(record, stage)
    used = json.loads(recipe.read_text(encoding="utf-8")) if stage in ASIDE else {key: there.get(key) for key in OF_FILES[stage]}
    for key, value in {"patience": 0, **wanted}.items():
        if key in ASIDE.get(stage, ()) or IN_RECIPE.get(key, key) not in used or value == "auto":
            continue
        # A flag may stand for a default of the task: the recipe has the number that was used.
        if not same(value, there.get(key)) and not same(value, used.get(key)):
            yield key, used.get(key, there.get(key)), value


def changed(stage, study, places):
    wanted = table_of(study, stage)
    found = [(place, list(differences(place, stage, wanted))) for place in places]
    found = [(place, keys) for place, keys in found if keys]
    if found:
        place, keys = found[0]
        others = f", and {len(found) - 1} more" if len(found) > 1 else ""
        made = ", ".join(f"{key} {there}" for key, there, _ in keys)
        now = ", ".join(f"{key} {value}" for key, _, value in keys)
        print(f"{Path(place)}{others}: made with {made}, but {study} has {now} in [{stage}]; --force of launch/debug.sh or "
              f"slurm/{stage}.sh makes it again; or name another folder by --run")


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
