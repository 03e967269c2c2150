"""What a row of a table came from: files of its results, and what they say of checkpoint, features, store and job."""

import os

from run_files import RunError, read_json
from run_folder import label_of

BESIDE = ("questions.safetensors", "head.json", "head.safetensors", "logits.safetensors", "config.toml", "evaluate.toml")


class Provenance:
    """Numbers the results that rows name; each has one entry on the page."""

    def __init__(self, run, output):
        self.run, self.output = run, output
        self.entries = {}  # by the first file of a result: (number, result)

    def place(self, row):
        """The id of the entry of a row's (first) result, "" for a row without one."""
        places = [self._number(result) for result in row.source if result.files]
        return f"source-{places[0]}" if places else ""

    def _number(self, result):
        return self.entries.setdefault(result.files[0], (len(self.entries) + 1, result))[0]

    def listed(self):
        """The entries: id, title, files as (address, text), facts as (word, text)."""
        shown = []
        for number, result in self.entries.values():
            title = f"{result.task}, {result.name.replace('_', ' ')}"
            if result.epoch is not None:
                title += f", epoch {label_of(result.epoch)}"
            shown.append((f"source-{number}", f"{title}, seed {result.seed}", self._files(result), facts_of(result)))
        return shown

    def _files(self, result):
        folder = result.files[0].parent
        paths = [*result.files, *(folder / name for name in BESIDE)]
        found = dict.fromkeys(path for path in paths if path.exists())
        return [(os.path.relpath(path, self.output), os.path.relpath(path, self.run.folder)) for path in found]


def _flat(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(inner)}" for key, inner in value.items())
    return ", ".join(_flat(inner) for inner in value) if isinstance(value, list) else str(value)


FACTS = (
    "checkpoint", "features", "store", "dev_store", "logits", "combine", "precision", "answers", "commit", "job", "host",
    "environment", "version",
)  # fmt: skip


def facts_of(result):
    """What metrics.json and head.json say of where a result came from."""
    said = dict(result.scores)
    for path in result.files[1:]:
        if path.name == "head.json":
            try:
                said = {**read_json(path), **said}
            except RunError:
                continue
    return [(key, _flat(said[key])) for key in FACTS if key in said]
