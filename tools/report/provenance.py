"""The entry of the page that a row's link "files" leads to: a result's files, and its origin (origin.py)."""

import os
from urllib.parse import quote

from origin import job_records, origin_of
from run_model import Result, label_of

BESIDE = ("questions.safetensors", "head.json", "head.safetensors", "logits.safetensors", "metrics.jsonl")


def address_of(path, folder):
    """A file as a page in the folder links it."""
    return quote(os.path.relpath(path, folder))


class Provenance:
    """Numbers the results that the rows of the page name; each has one entry on the page. `listed` are the entries: id, title,
    folder, files in it and elsewhere as (address, text), facts as (word, text, address or ""). It is made before the page, which
    names the files that are found malformed."""

    def __init__(self, report, output):
        self.run, self.output = report.run, output
        self.records = job_records(self.run)
        self.entries = {}  # by the first file of a result and its epoch: (number, result)
        for row in [row for table in report.tables() for row in table.rows[: table.shown]]:
            for one in (row, *row.seeds):
                self.places(one)
        self.listed = [self._listed(number, result) for number, result in self.entries.values()]

    def places(self, row):
        """The ids of the entries of a row's results."""
        return [f"source-{self._number(result)}" for result in row.source if result.files]

    def _number(self, result):
        key = (result.files[0], result.epoch)  # evaluations in training share a file
        return self.entries.setdefault(key, (len(self.entries) + 1, result))[0]

    def _listed(self, number, result):
        title = f"{result.task}, {result.label}"
        if result.epoch is not None:
            title += f", epoch {label_of(result.epoch)}"
        title += ", evaluated in training" if isinstance(result, Result) and result.rank_hours is not None else ""
        folder = result.files[0].parent
        place = f"{folder.relative_to(self.run.folder)}/"
        title += f", seed {result.seed_text if isinstance(result, Result) else result.seed}"
        return f"source-{number}", title, place, self._files(result, folder), self._facts(result)

    def _files(self, result, folder):
        paths = [*result.files, *(folder / name for name in BESIDE)]
        found = dict.fromkeys(path for path in paths if path.exists())
        return [(address_of(path, self.output), path.name if path.parent == folder else str(path.relative_to(self.run.folder))) for path in found]

    def _facts(self, result):
        if not isinstance(result, Result):
            return []
        chain = origin_of(self.run, result, self.records)
        return [(fact.what, fact.text, address_of(fact.file, self.output) if fact.file else "") for fact in chain]
