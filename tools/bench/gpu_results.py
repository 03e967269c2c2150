"""The results of tools/bench/gpu.py, kept up to date in two small files: a borrowed machine may give back no more."""

import io
import json
import os
import sys
import tarfile
import time

LOG_BYTES = 1_000_000  # of a longer log only its beginning and its end are packed


def cut(log):
    """A log file's bytes; of a long one the first and the last half of LOG_BYTES."""
    size, half = log.stat().st_size, LOG_BYTES // 2
    with log.open("rb") as file:
        if size <= LOG_BYTES:
            return file.read()
        first = file.read(half)
        file.seek(size - half)
        return b"%s\n... %d bytes are left out here ...\n%s" % (first, size - LOG_BYTES, file.read())


class Results:
    """OUTPUT/summary.json has the numbers of all items; OUTPUT/results.tar.gz has them in a file for each item, and the logs."""

    def __init__(self, output, work, cards):
        self.output, self.work = output.resolve(), work.resolve()
        for folder in (self.output, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        self.summary = dict(cards=cards, date=time.strftime("%Y-%m-%d"), command=sys.argv, items=[])

    def begin(self, name):
        """The record of a new item; its owner fills it."""
        found = dict(item=name, ended="running", why="", seconds=0.0, numbers={})
        self.summary["items"].append(found)
        return found

    def log_of(self, name):
        return self.work / f"{name}.log"

    def save(self):
        """Writes both files anew. A file that is cut off by the death of this script never takes the place of a whole one."""
        with open(self.output / "summary.json.part", "w", encoding="utf-8") as file:
            json.dump(self.summary, file, indent=1)
        with tarfile.open(self.output / "results.tar.gz.part", "w:gz") as packed:
            for found in self.summary["items"]:
                name = found["item"]
                self.pack(packed, f"{name}.json", json.dumps(found, indent=1).encode())
                if self.log_of(name).is_file() and found["ended"] != "not begun":
                    self.pack(packed, f"{name}.log", cut(self.log_of(name)))
        for name in ("summary.json", "results.tar.gz"):
            os.replace(self.output / f"{name}.part", self.output / name)

    @staticmethod
    def pack(packed, name, content):
        entry = tarfile.TarInfo(f"results/{name}")
        entry.size, entry.mtime = len(content), int(time.time())
        packed.addfile(entry, io.BytesIO(content))
