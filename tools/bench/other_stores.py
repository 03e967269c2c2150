#!/usr/bin/env python3
"""How fast states are read in training's shuffled order: by our reader, and from other stores behind a PyTorch DataLoader.

The other stores are numpy memmap, zarr, Lance, MosaicML Streaming and h5py, each as its documentation recommends
(peer_stores.py). All hold the same float16 states of the same features, and all are read in the same order: that of an epoch of
bv_train. Ours is bv_train's reader without a head: one rank, four threads, checksums compared (store_probe). Nobody uses
the batches, so the rates are upper bounds of what training gets. For comparison plain calls read our file in large pieces.

Before anything is timed, every store is read once and checked: the same bits in the same order as ours. Then all are read
one after the other, --rounds times, in one order and then in the opposite one: from the disk (their pages are dropped from
memory before), and from the kernel's page cache. The time does not count the starting of processes and the opening of files.
Each of the others is taken at its best number of --workers. Rates are medians; ratios are computed within each round first.

Wanted from the disk: 95 % of the rate of plain calls, and twice the rate of the best of the others. The table says whether
that is so. Ends with exit code 0 whether or not it is.

The packages of the other stores need an environment of their own. Run this script in it:
  python3 -m venv ENV && ENV/bin/pip install -r tools/bench/requirements-other-stores.txt
  ENV/bin/python tools/bench/other_stores.py --model MODEL --squad SQUAD
Stores whose package is missing are named in the table, and in the JSON file as "absent". With a BERT of width 384 and 7 states
a question takes 1 MB in each store, 6 MB in all, and 2 MB of memory.
"""
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from disk import drop_from_memory, read_through, timed_read
from peer_stores import PEERS, Store

from programs import CORES, HERE, BenchError, Programs, bench_and_report, bench_parser, counted, declare, in_turn, ratio, run, say, summary, text_in

MB = 1e6
PLACES = ("disk", "page cache")
RAW, OURS = "plain calls", "ours"
RATE = "bytes_per_second"
WANTED_SHARE = 0.95
WANTED_RATIO = 2


class Bench(Programs):
    """The stores, all with the same states, and how each is read."""

    def __init__(self, options, folder):
        self.options, self.folder, self.store, self.order = options, folder, folder / "states.h5", folder / "order.npy"
        text = text_in(options.squad, "train")
        super().__init__(options.programs)
        features = folder / "features.h5"
        run([self.program("bv_prepare"), "--squad", text, "--model", options.model, "--limit", options.questions,
             "--output", features])
        self.on_ranks(1, "bv_extract", "--checkpoint", options.model, "--task", "span", "--features", features, "--store",
                      self.store, "--dtype", "float16", "--device", "cpu", "--threads", CORES)
        order, self.checksums = zip(*self.probe(1, "list", self.store))
        store = Store(self.store)
        np.save(self.order, store.position[list(order)])
        self.features, self.tokens, self.bytes = len(store), int(store.starts[-1]), store.file["states"].nbytes
        store.file.close()
        self.absent = {name: peer.package for name, peer in PEERS.items() if not importlib.util.find_spec(peer.package)}
        self.present = [name for name in PEERS if name not in self.absent]
        for name in self.present:
            self.peer("write", name)
            self.check(name)
            say(f"{name}: the same bits in the same order")
        for name, package in self.absent.items():
            say(f"{name} is absent: the package {package} is not installed")

    def peer(self, action, name, *flags):
        return run([sys.executable, HERE / "peer_stores.py", action, name, self.store, self.folder / name, *flags], **self.python)

    def read_peer(self, name, workers, *flags):
        return json.loads(self.peer("read", name, "--order", self.order, "--workers", workers, *flags))

    def check(self, name):
        """BenchError if another store does not give our bits in our order."""
        for workers in self.options.workers:
            found = self.read_peer(name, workers, "--check")["checksums"]
            if found != list(self.checksums):
                at = next((at for at, (a, b) in enumerate(zip(found, self.checksums)) if a != b), min(len(found), self.features))
                raise BenchError(f"{name}, {counted(workers, 'worker')}: other states than ours from feature {at} of the order on "
                                 f"({counted(len(found), 'feature')}, ours {self.features})")

    def files(self, name):
        if name in (RAW, OURS):
            return [self.store]
        return [path for path in (self.folder / name).rglob("*") if path.is_file() and path.stat().st_size]

    def read(self, name, place, workers):
        """Reads all states of a store once."""
        for file in self.files(name):
            drop_from_memory(file) if place == "disk" else read_through(file)
        if name == RAW:
            return timed_read(self.store)
        found = self.probe(1, "read", self.store) if name == OURS else self.read_peer(name, workers)
        return dict(seconds=found["seconds"], bytes_per_second=found["bytes"] / found["seconds"])

    def stores(self):
        """{store: the numbers of workers to try}"""
        return {RAW: (None,), OURS: (None,), **{name: tuple(self.options.workers) for name in self.present}}


def measure(bench):
    """{(store, place, workers): its rounds}"""
    jobs = {(name, place, workers): lambda of=(name, place, workers): bench.read(*of)
            for place in PLACES for name, all_workers in bench.stores().items() for workers in all_workers}

    def tell(job, found):
        name, place, workers = job
        by = [] if workers is None else [counted(workers, "worker")]
        return f"{', '.join([name, place, *by])}: {found[RATE] / MB:,.0f} MB/s"

    return in_turn(jobs, bench.options.rounds, tell)


def rows_of(bench, found):
    """A row for each store and place, with its best number of workers."""
    rows = []
    for place in PLACES:
        for name, all_workers in bench.stores().items():
            rates = {workers: summary(found[name, place, workers])[RATE] for workers in all_workers}
            best = max(all_workers, key=lambda workers: rates[workers]["median"])
            mine = found[name, place, best]
            rows.append(dict(store=name, place=place, workers=best, bytes_per_second=rates[best],
                             share_of_raw=ratio(mine, found[RAW, place, None], RATE),
                             ours_is_faster=ratio(found[OURS, place, None], mine, RATE),
                             by_workers={} if best is None else rates))
    return rows


def judged(rows, place):
    """Whether our reader does what is wanted from a place, compared with the fastest of the others."""
    here = {row["store"]: row for row in rows if row["place"] == place}
    share = here[OURS]["share_of_raw"]
    best = max((row for name, row in here.items() if name not in (RAW, OURS)), key=lambda row: row[RATE]["median"])
    return dict(place=place, share_of_raw=share, share_met=share["median"] >= WANTED_SHARE if place == "disk" else None,
                best=best["store"], ratio=best["ours_is_faster"], ratio_met=best["ours_is_faster"]["median"] >= WANTED_RATIO)


def evaluate(bench):
    """Everything measured, as one JSON object."""
    rows = rows_of(bench, measure(bench))
    stores = {name: dict(package=PEERS[name].package, version=version_of(name),
                         file_bytes=sum(path.stat().st_size for path in bench.files(name))) for name in bench.present}
    return dict(features=bench.features, tokens=bench.tokens, bytes=bench.bytes, stores=stores, absent=bench.absent, rows=rows,
                judged=[judged(rows, place) for place in PLACES])


def version_of(name):
    """The version of the distribution that a store's package comes from."""
    package = PEERS[name].package
    return importlib.metadata.version(importlib.metadata.packages_distributions()[package][0])


def table(whole):
    """The table of README.md, in Markdown."""
    def cells(name, place):
        row = next(row for row in whole["rows"] if (row["store"], row["place"]) == (name, place))
        rate, faster = row[RATE], row["ours_is_faster"]
        yield "{:,.0f} ({:,.0f} to {:,.0f})".format(*(rate[key] / MB for key in ("median", "least", "most")))
        if place == "disk":
            yield f"{row['share_of_raw']['median']:.0%}".replace("%", " %")
        yield "" if row["workers"] is None else str(row["workers"])
        yield "" if row["workers"] is None else "{median:.1f} ({least:.1f} to {most:.1f})".format(**faster)

    yield "| | from the disk, MB/s | of plain calls | workers | ours is faster | from the page cache, MB/s | workers | ours is faster |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in (RAW, OURS, *PEERS):
        if name in whole["absent"]:
            yield f"| {name} | absent | | | | absent | | |"
        else:
            label = f"{name} {whole['stores'][name]['version']}" if name in whole["stores"] else name
            yield " | ".join([f"| {label}", *(cell for place in PLACES for cell in cells(name, place))]) + " |"


def print_report(whole):
    print(f"\nReading {whole['bytes'] / MB:,.0f} MB of states of {Path(whole['model']).name}, {counted(whole['features'], 'feature')}, in "
          f"training's order: {counted(whole['rounds'], 'round')}, {whole['cores']} cores\n")
    print("\n".join(table(whole)))
    verdicts = {True: "pass", False: "FAIL"}
    for row in whole["judged"]:
        print(f"\nFrom the {row['place']}: {row['share_of_raw']['median']:.0%} of the rate of plain calls"
              + (f" (wanted {WANTED_SHARE:.0%}): {verdicts[row['share_met']]}" if row["share_met"] is not None else "")
              + f"; {row['ratio']['median']:.2f} times as fast as {row['best']} (wanted {WANTED_RATIO}): "
              + verdicts[row["ratio_met"]])
    for name, package in whole["absent"].items():
        print(f"\n{name} is absent: the package {package} is not installed (tools/bench/requirements-other-stores.txt)")


def main():
    parser = bench_parser(__doc__, "ENV/bin/python tools/bench/other_stores.py --model MODEL --squad SQUAD --json other-stores.json", "train")
    declare(parser, "--folder")
    parser.add_argument("--questions", type=int, default=1800, help="questions whose states are read [%(default)s]")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2, 4], help="numbers of DataLoader workers to try [0 2 4]")
    options = parser.parse_args()
    if options.quick:
        options.questions, options.workers, options.rounds = 40, [2], 1
    return bench_and_report(options, lambda folder: evaluate(Bench(options, folder)), print_report, options.folder)


if __name__ == "__main__":
    sys.exit(main())
