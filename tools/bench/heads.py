#!/usr/bin/env python3
"""How fast heads train, compared with PyTorch and h5py; twenty heads compared with one; and how long heads wait for states.

Against Python: one epoch of a head by bv_train over a store of float16, and by a DataLoader over the reference's padded
float32 file of the same features (peer_heads.py; without workers or with two, whichever is faster). Both
read their files from the disk (they are dropped from memory before) or from the kernel's page cache. Times are seconds of the
epoch.

Together: an epoch of one learned pooling, and of --together of them, which differ only in their seeds. States come from
bv_train's own memory, or from a disk whose rate Linux limits (--throttle, MB/s; block I/O controller of cgroups, as root). The
same from memory for adapters of width 64. From memory the first epoch does not count.

Waiting: the share of an epoch's time that one head waits for states, by element type: from the disk in the first epoch, from
the page cache and from bv_train's own memory in later ones, whose beginning is read during the one before. For comparison plain
calls read the float16 store from the disk.

All jobs run one after the other on the same cores, --rounds times, in one order and then in the opposite one. Rates are
medians; ratios are computed within each round first. With a BERT of width 384 and 7 states a question takes 8.2 MB on the disk
and 4.3 MB of memory for the page cache. Ends with exit code 0 whether or not targets are met.
"""
import contextlib
import json
import math
import shutil
import statistics
import sys
from pathlib import Path

import h5py
from disk import SlowDisk, drop_from_memory, read_through, timed_read
from table import text_table

from programs import CORES, HERE, Programs, bench_and_report, bench_parser, counted, declare, in_turn, ratio, run, say, summary, text_in

MB = 1e6
DTYPES = ("float16", "bfloat16", "float32", "float8")
FIRST = f"first epoch of {DTYPES[0]}"  # Python's are first epochs too
FILES = ("disk", "page cache")  # the places from which both read their files
FEEDS = ("disk", "page cache", "memory")
WORKERS = (0, 2)
SMALL_HEAD = "learned_pooling"
# From memory: the cost of K heads that is wanted, as a share of the cost of K single heads.
TOGETHER = {SMALL_HEAD: 0.15, "adapter_64_shared": 0.7, "adapter_64_unshared": 0.7}
DEV_QUESTIONS = 8  # bv_train scores on them, outside of the epoch's time
WANTED_RATIO = 5
WANTED_COST = 1.3  # of K heads on a slow disk, compared with one


class Bench(Programs):
    """The inputs of all measurements, and how each is run."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        text = text_in(options.squad, "train")
        super().__init__(options.programs)
        if options.throttle:
            SlowDisk(folder, MB).close()  # ends here if this user has no right to make one
        for name, questions, dtypes in (("train", options.questions, DTYPES), ("dev", DEV_QUESTIONS, DTYPES[:1])):
            features = folder / f"{name}.h5"
            run([self.program("bv_prepare"), "--squad", text, "--model", options.model, "--limit", questions,
                 "--output", features])
            for dtype in dtypes:
                self.on_ranks(1, "bv_extract", "--checkpoint", options.model, "--task", "span", "--features", features,
                              "--store", self.store(dtype, name), "--dtype", dtype, "--device", "cpu", "--threads", CORES)
        with h5py.File(folder / "train.h5") as file:
            self.tokens, self.count = int(file["features/starts"][-1]), len(file["features/starts"]) - 1
        self.padded = folder / "padded.h5"
        self.peer("write", self.store(DTYPES[0]), self.padded)
        # The peers rebuild these heads.
        self.train(options.heads, self.store(DTYPES[0], "dev"), folder / "heads")
        self.trained = {path.parents[2].name: path.parent for path in folder.glob("heads/*/*/*/head.json")}
        say(f"{self.count} features, {self.tokens} tokens; states {self.store(DTYPES[0]).stat().st_size / MB:,.0f} MB in "
            f"{DTYPES[0]}, {self.padded.stat().st_size / MB:,.0f} MB as the reference's")

    def store(self, dtype, name="train"):
        return self.folder / f"{name}-{dtype}.h5"

    def peer(self, *arguments):
        return run([sys.executable, HERE / "peer_heads.py", *arguments], **self.python)

    def train(self, heads, store, output, *flags, disk=None):
        """Runs bv_train; returns the lines of a head's log, one for each epoch of all heads."""
        self.on_ranks(1, "bv_train", "--store", store, "--dev-store", self.store(DTYPES[0], "dev"), "--heads", heads,
                      "--output", output, "--device", "cpu", "--threads", CORES, *flags, disk=disk)
        return [json.loads(line) for line in next(output.glob("*/*/*/metrics.jsonl")).read_text(encoding="utf-8").splitlines()]

    def epoch(self, heads, dtype, place, *flags, epochs=1, disk=None):
        """Trains heads over a store; returns the rates of an epoch, and the share of its time spent waiting: medians of the epochs
        from the second on, if there are more than one."""
        store, output = self.store(dtype), self.folder / "epoch"
        cache = 0
        if place == "disk":
            drop_from_memory(store)
        elif place == "page cache":
            read_through(store)
        else:
            cache = math.ceil(store.stat().st_size / 2**30)
        lines = self.train(heads, store, output, "--cache-gib", cache, "--epochs", epochs, *flags, disk=disk)
        shutil.rmtree(output)
        seconds, waiting = (statistics.median(line[key] for line in lines[1:] or lines) for key in ("seconds", "waiting_share"))
        return dict(seconds=seconds, sequences_per_second=self.count / seconds, bytes_per_second=store.stat().st_size / seconds,
                    waiting=waiting)

    def fed(self, head, dtype, place):
        """How a head is fed with states. A second epoch would read none from the disk: the first leaves them in the page cache."""
        return self.epoch(head, dtype, place, epochs=1 if place == "disk" else epochs_of(head))

    def together(self, head, count, rate):
        """Trains `count` heads from a disk of `rate` MB/s or, without a rate, from memory."""
        seeds = ("--seed", ",".join(map(str, range(1, count + 1))))
        if not rate:
            return self.epoch(head, DTYPES[0], "memory", *seeds, epochs=epochs_of(head))
        with contextlib.closing(SlowDisk(self.folder, rate * MB)) as disk:
            return self.epoch(head, DTYPES[0], "disk", *seeds, disk=disk)

    def python_epoch(self, head, place, workers):
        drop_from_memory(self.padded) if place == "disk" else read_through(self.padded)
        found = json.loads(self.peer("train", self.padded, "--head", self.trained[head], "--workers", workers))
        return dict(seconds=found["seconds"], sequences_per_second=found["sequences"] / found["seconds"])

    def plain_read(self):
        store = self.store(DTYPES[0])
        drop_from_memory(store)
        return timed_read(store)


def epochs_of(head):
    """The number of epochs to measure: an epoch of the small head takes only a fraction of a second."""
    return 6 if head == SMALL_HEAD else 2


def together(head, count, rate):
    """The name of a job with `count` heads."""
    return f"{count} of {head}", f"a disk of {rate:g} MB/s" if rate else "memory"


def heads_and_rates(options):
    """What is trained together: (head, rate of its disk in MB/s; 0 = from memory)."""
    return [*((head, 0) for head in TOGETHER), *((SMALL_HEAD, rate) for rate in options.throttle)]


def measure(bench):
    """{job: its rounds}."""
    options = bench.options
    jobs = {("plain calls", "disk"): bench.plain_read}
    for head in bench.trained:
        for place in FEEDS:
            for dtype in DTYPES:
                jobs[head, place, dtype] = lambda of=(head, dtype, place): bench.fed(*of)
        jobs[head, "page cache", FIRST] = lambda head=head: bench.epoch(head, DTYPES[0], "page cache")
        for place in FILES:
            for workers in WORKERS:
                jobs[head, place, f"Python, {workers} workers"] = lambda of=(head, place, workers): bench.python_epoch(*of)
    for head, rate in heads_and_rates(options):
        for count in (1, options.together):
            jobs[together(head, count, rate)] = lambda of=(head, count, rate): bench.together(*of)
    return in_turn(jobs, options.rounds, lambda job, found: f"{', '.join(job)}: {found['seconds']:.2f} s")


def against_python(bench, found):
    rows = []
    for head in bench.trained:
        for place in FILES:
            ours = found[head, place, DTYPES[0] if place == "disk" else FIRST]
            peers = {workers: found[head, place, f"Python, {workers} workers"] for workers in WORKERS}
            workers = min(WORKERS, key=lambda each: summary(peers[each])["seconds"]["median"])
            times = ratio(peers[workers], ours, "seconds")
            rows.append(dict(head=head, place=place, ours=summary(ours), workers=workers,
                             python={each: summary(rounds) for each, rounds in peers.items()}, ratio=times,
                             met=times["median"] >= WANTED_RATIO))
    return rows


def company(bench, found):
    rows = []
    for head, rate in heads_and_rates(bench.options):
        count = bench.options.together
        one, many = (found[together(head, k, rate)] for k in (1, count))
        cost = ratio(many, one, "seconds")
        wanted = WANTED_COST if rate else TOGETHER[head] * count
        rows.append(dict(head=head, limit=rate * MB or None, one=summary(one), many=summary(many), ratio=cost, wanted=wanted,
                         met=cost["median"] <= wanted))
    return rows


def feeding(bench, found):
    return [dict(head=head, dtype=dtype, place=place, **summary(found[head, place, dtype]))
            for head in bench.trained for dtype in DTYPES for place in FEEDS]


def evaluate(bench):
    """Everything measured, as one JSON object."""
    found = measure(bench)
    return dict(features=bench.count, tokens=bench.tokens, heads_together=bench.options.together,
                against_python=against_python(bench, found), together=company(bench, found), feeding=feeding(bench, found),
                plain_read=summary(found["plain calls", "disk"]))


def print_report(whole):
    print(f"\nHeads over states of {Path(whole['model']).name}: {whole['features']} features of "
          f"{whole['tokens'] / whole['features']:.0f} tokens, {counted(whole['rounds'], 'round')}, {whole['cores']} cores\n")
    verdicts = {True: "pass", False: "FAIL"}

    def rate(row):
        return f"{row['sequences_per_second']['median']:,.0f}"

    def seconds(row):
        return [f"{row['seconds']['median']:.2f}", f"{row['waiting']['median']:.0%}"]

    body = [[row["head"], row["place"], rate(row["ours"]), f"{row['ours']['waiting']['median']:.0%}",
             rate(row["python"][row["workers"]]), str(row["workers"]), f"{row['ratio']['median']:.1f}x",
             f"{row['ratio']['least']:.1f} to {row['ratio']['most']:.1f}", f">= {WANTED_RATIO}x", verdicts[row["met"]]]
            for row in whole["against_python"]]
    print(text_table(["one head", "from", "bv_train\nsequences/s", "\nwaiting", "Python\nsequences/s", "\nworkers",
                      "times\nas fast", "least to most", "wanted", ""], body))
    body = [[row["head"], f"a disk of {row['limit'] / MB:g} MB/s" if row["limit"] else "memory", *seconds(row["one"]),
             *seconds(row["many"]), f"{row['many']['bytes_per_second']['median'] / MB:,.0f}", f"{row['ratio']['median']:.2f}x",
             f"{row['ratio']['least']:.2f} to {row['ratio']['most']:.2f}", f"<= {row['wanted']:.1f}x", verdicts[row["met"]]]
            for row in whole["together"]]
    many = counted(whole["heads_together"], "head")
    print("\n" + text_table(["heads", "from", "1 head\ns", "\nwaiting", f"{many}\ns", "\nwaiting", "\nMB/s", "times\nas long",
                             "least to most", "wanted", ""], body))
    body = [[row["head"], row["dtype"], row["place"], rate(row), f"{row['bytes_per_second']['median'] / MB:,.0f}",
             f"{row['waiting']['median']:.1%}"] for row in whole["feeding"]]
    plain = f"{whole['plain_read']['bytes_per_second']['median'] / MB:,.0f}"
    body.append(["plain calls", DTYPES[0], "disk", "", plain, ""])
    print("\n" + text_table(["one head", "states", "from", "sequences/s", "MB/s", "waiting"], body))


def main():
    parser = bench_parser(__doc__, "tools/bench/heads.py --model MODEL --squad SQUAD --heads learned_pooling,adapter_64_shared --throttle 50 100",
                          "train")
    declare(parser, "--folder", "--throttle")
    parser.add_argument("--heads", default=SMALL_HEAD, help="heads for the span task, separated by commas [%(default)s]")
    parser.add_argument("--together", type=int, default=20, help="heads to train together [%(default)s]")
    parser.add_argument("--questions", type=int, default=1000, help="questions to train on [%(default)s]")
    options = parser.parse_args()
    if options.quick:
        options.questions, options.together, options.rounds = 4, 2, 1
    return bench_and_report(options, lambda folder: evaluate(Bench(options, folder)), print_report, options.folder)


if __name__ == "__main__":
    sys.exit(main())
