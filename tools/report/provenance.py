"""The entry of the page that a row's link "files" leads to: a result's files, and the chain of what made it (origin.py)."""

import os

from origin import job_records, origin_of
from run_model import Result, label_of

BESIDE = ("questions.safetensors", "head.json", "head.safetensors", "logits.safetensors", "metrics.jsonl")


class Provenance:
    """Numbers the results that rows name; each has one entry on the page."""

    def __init__(self, run, output):
        self.run, self.output = run, output
        self.records = [record for records in run.attempt(job_records, run) for record in records]
        self.entries = {}  # by the first file of a result and its epoch: (number, result)

    def places(self, row):
        """The ids of the entries of a row's results."""
        return [f"source-{self._number(result)}" for result in row.source if result.files]

    def _number(self, result):
        key = (result.files[0], result.epoch)  # evaluations in training share a file
        return self.entries.setdefault(key, (len(self.entries) + 1, result))[0]

    def listed(self):
        """The entries: id, title, folder, files in it and elsewhere as (address, text), facts as (word, text, address or "")."""
        shown = []
        for number, result in self.entries.values():
            title = f"{result.task}, {result.name.replace('_', ' ')}"
            if result.epoch is not None:
                title += f", epoch {label_of(result.epoch)}"
            title += ", evaluated in training" if isinstance(result, Result) and result.rank_hours is not None else ""
            folder = result.files[0].parent
            place = f"{folder.relative_to(self.run.folder)}/"
            shown.append((f"source-{number}", f"{title}, seed {result.seed}", place, self._files(result, folder), self._facts(result)))
        return shown

    def _files(self, result, folder):
        paths = [*result.files, *(folder / name for name in BESIDE)]
        found = dict.fromkeys(path for path in paths if path.exists())
        return [(self._address(path), path.name if path.parent == folder else str(path.relative_to(self.run.folder))) for path in found]

    def _facts(self, result):
        if not isinstance(result, Result):
            return []
        chain = [fact for facts in self.run.attempt(origin_of, self.run, result, self.records) for fact in facts]
        return [(fact.what, fact.text, self._address(fact.file) if fact.file else "") for fact in chain]

    def _address(self, path):
        return os.path.relpath(path, self.output)
