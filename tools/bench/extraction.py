#!/usr/bin/env python3
"""How fast states are made, written and read, compared with Hugging Face and h5py, with the disk itself, and on a slow disk.

Making them: bv_extract against transformers (sorted by length, bfloat16, output_hidden_states) on the same features, and
against the encoder alone (bv_eval with a new head, which stores nothing), by one rank of two threads and by two
ranks of one thread. Only real tokens count.

The disk: blocks of random states by the store's own writer, and batches by its reader in training order, without an
encoder, at several block sizes and numbers of ranks; for comparison plain calls move as many bytes in
pieces of the same size. Writing ends when the data are on the disk; when reading begins, they are not in memory. It also times
h5py writing the reference's layout, and the readers' checksums: the time that one core needs for the bytes that were read.

A slow disk (--throttle, MB/s): the same extraction and head training on a disk whose rate the kernel's block I/O controller
limits (cgroup, as root). It shows how long each waits for the disk.

All jobs run one after the other, --rounds times. Rates are medians; ratios are computed within each round first.
"""
import contextlib
import ctypes
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import h5py
from checksum import CRC32_ISCSI
from disk import SlowDisk, drop_from_memory
from table import text_table

from programs import CORES, HERE, Programs, bench_and_report, bench_parser, counted, declare, in_turn, ratio, run, say, spread, summary, text_in

MB = 1e6


class Bench(Programs):
    """The inputs of all measurements, and how each is run."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.features = folder / "features.h5"
        text = text_in(options.squad, "dev")
        super().__init__(options.programs)
        run([self.program("bv_prepare"), "--squad", text, "--model", options.model, "--unfound", "keep", "--limit",
             options.questions, "--output", self.features])
        # bv_eval needs a checkpoint that holds a head.
        run([self.program("bv_finetune"), "--model", options.model, "--features", self.features, "--checkpoints", 0, "--output",
             folder / "tuned", "--device", "cpu"])
        with h5py.File(self.features) as file:
            self.tokens, self.count = int(file["features/starts"][-1]), len(file["features/starts"]) - 1

    def python_states(self, *flags):
        found = json.loads(run([sys.executable, HERE / "peer_extract.py", "--model", self.options.model, "--features",
                                self.features, *flags], **self.python))
        return dict(tokens_per_second=found["tokens"] / found["seconds"], bytes_per_second=found["bytes"] / found["seconds"])

    def encode(self, ranks):
        """The tokens per second of the encoder alone."""
        output = self.folder / "predicted"
        text = self.on_ranks(ranks, "bv_eval", "--checkpoint", self.folder / "tuned/checkpoints/epoch-0", "--features",
                             self.features, "--output", output, "--device", "cpu", "--threads", CORES // ranks)
        shutil.rmtree(output)
        # The rate of rank 0, whose share of the tokens is as large as that of every other rank.
        rate = float(re.findall(r"predicting .*? \(([\d.e+]+) features/s\)", text)[-1])
        return dict(tokens_per_second=rate * ranks * self.tokens / self.count)

    def extract(self, ranks, disk=None):
        store = self.folder / "states.h5"
        text = self.on_ranks(ranks, "bv_extract", "--checkpoint", self.options.model, "--task", "span", "--features",
                             self.features, "--store", store, "--force", "--device", "cpu", "--threads", CORES // ranks,
                             disk=disk)
        rates = re.search(r"([\d.]+) tokens/s, ([\d.]+) MB/s, (\d+) % of the time waiting", text)
        return dict(tokens_per_second=float(rates[1]), bytes_per_second=float(rates[2]) * MB, waiting=float(rates[3]) / 100)

    def train_heads(self, disk=None):
        """Trains one head for one pass over the store on the disk."""
        store, output = self.folder / "states.h5", self.folder / "heads"
        drop_from_memory(store)
        text = self.on_ranks(1, "bv_train", "--store", store, "--dev-store", store, "--heads", "learned_pooling", "--output",
                             output, "--cache-gib", 0, "--device", "cpu", "--threads", CORES, disk=disk)
        shutil.rmtree(output)
        rates = re.search(r"epoch 1: .*?, (\d+) sequences/s, ([\d.]+) % of the time waiting", text)
        return dict(bytes_per_second=store.stat().st_size / self.count * float(rates[1]), waiting=float(rates[2]) / 100)

    def move(self, action, ranks, block_mib):
        """The bytes per second of random states that are written, or that are read from the disk."""
        path = self.folder / ("raw" if action.startswith("raw") else "blocks.h5")
        if action.endswith("read"):
            drop_from_memory(path)
        found = self.probe(ranks, action, path, *(() if action == "read" else (self.options.blocks_features, block_mib)))
        return found["bytes"] / found["seconds"]


def checksum_rate(piece=128 * 1024, pieces=16, passes=50):
    """The bytes per second of one core's CRC-32C, by the programs' own library, over the bytes that were just read: a feature's
    states at a time, in the cache."""
    data = [ctypes.create_string_buffer(os.urandom(piece), piece) for _ in range(pieces)]
    began = time.perf_counter()
    for _ in range(passes):
        for buffer in data:
            CRC32_ISCSI(buffer, piece, 0)
    return passes * pieces * piece / (time.perf_counter() - began)


def measure_encoding(bench):
    jobs = {"python": bench.python_states, "encoder_1x2": lambda: bench.encode(1), "encoder_2x1": lambda: bench.encode(2),
            "extract_1x2": lambda: bench.extract(1), "extract_2x1": lambda: bench.extract(2)}
    rounds = in_turn(jobs, bench.options.rounds, lambda job, found: f"{job}: {found['tokens_per_second']:,.0f} tokens/s")
    rows = {name: summary(found) for name, found in rounds.items()}
    best = max(("extract_1x2", "extract_2x1"), key=lambda name: rows[name]["tokens_per_second"]["median"])
    encoder = rounds[best.replace("extract", "encoder")]
    return dict(rows=rows, best=best, against_python=ratio(rounds[best], rounds["python"], "tokens_per_second"),
                against_encoder=ratio(rounds[best], encoder, "tokens_per_second"))


def measure_disk(bench):
    table = []
    for block_mib in bench.options.blocks_mib:
        for ranks in (1, 2):
            found = {action: [] for action in ("raw-write", "write", "raw-read", "read")}
            for _ in range(bench.options.rounds):
                for action in found:
                    found[action].append(bench.move(action, ranks, block_mib))
            row = {action: spread(values) for action, values in found.items()}
            row.update(block_mib=block_mib, ranks=ranks,
                       write_share=spread(a / b for a, b in zip(found["write"], found["raw-write"])),
                       read_share=spread(a / b for a, b in zip(found["read"], found["raw-read"])),
                       checksum_share=spread(rate / ranks / checksum_rate() for rate in found["read"]))
            table.append(row)
            say(f"blocks of {block_mib} MiB, {counted(ranks, 'rank')}: {row['write']['median'] / MB:,.0f} MB/s written "
                f"({row['write_share']['median']:.0%} of raw), {row['read']['median'] / MB:,.0f} read "
                f"({row['read_share']['median']:.0%})")
    reference = bench.python_states("--store", bench.folder / "reference.h5")
    return dict(rows=table, reference_layout=reference)


def measure_throttled(bench):
    if not bench.options.throttle:
        return []
    rows = []
    for rate in bench.options.throttle:
        disk = SlowDisk(bench.folder, rate * MB)
        with contextlib.closing(disk):
            rows.append(dict(limit=rate * MB, extract=bench.extract(1, disk), heads=bench.train_heads(disk)))
        say(f"a disk of {rate:g} MB/s: extraction waits {rows[-1]['extract']['waiting']:.0%}, heads "
            f"{rows[-1]['heads']['waiting']:.0%}")
    return rows


def evaluate(bench):
    """Everything measured, as one JSON object."""
    return dict(tokens=bench.tokens, encoding=measure_encoding(bench), disk=measure_disk(bench),
                throttled=measure_throttled(bench))


def print_report(whole):
    encoding = whole["encoding"]
    names = {"python": "transformers, sorted, bf16", "encoder_1x2": "encoder alone, 1 rank x 2 threads",
             "encoder_2x1": "encoder alone, 2 ranks x 1 thread", "extract_1x2": "bv_extract, 1 rank x 2 threads",
             "extract_2x1": "bv_extract, 2 ranks x 1 thread"}
    print(f"\n{whole['tokens']} tokens of {Path(whole['model']).name}, {counted(whole['rounds'], 'round')}, {whole['cores']} cores\n")
    body = []
    for name, row in encoding["rows"].items():
        rate = row["tokens_per_second"]
        body.append([names[name], f"{rate['median']:,.0f}", f"{rate['least']:,.0f} to {rate['most']:,.0f}",
                     f"{row['bytes_per_second']['median'] / MB:,.0f}" if "extract" in name else "",
                     f"{row['waiting']['median']:.0%}" if "extract" in name else ""])
    print(text_table(["making states", "tokens/s", "least to most", "MB/s", "waiting for\nthe disk"], body))
    print(f"\nbv_extract ({encoding['best'].split('_')[1]}) against transformers: {encoding['against_python']['median']:.2f}x; of the "
          f"encoder alone: {encoding['against_encoder']['median']:.0%}\n")
    body = [[f"{row['block_mib']:g} MiB, {counted(row['ranks'], 'rank')}",
             *(f"{row[action]['median'] / MB:,.0f}" for action in ("write", "raw-write")), f"{row['write_share']['median']:.0%}",
             *(f"{row[action]['median'] / MB:,.0f}" for action in ("read", "raw-read")), f"{row['read_share']['median']:.0%}",
             f"{row['checksum_share']['median']:.1%}"]
            for row in whole["disk"]["rows"]]
    print(text_table(["MB/s: blocks of", "written", "raw", "share", "read", "raw", "share",
                      "checksums:\nof a core"], body))
    layout = whole["disk"]["reference_layout"]
    print(f"\nh5py writing the reference's layout while transformers encodes: {layout['tokens_per_second']:,.0f} tokens/s, "
          f"{layout['bytes_per_second'] / MB:,.0f} MB/s")
    if whole["throttled"]:
        body = [[f"{row['limit'] / MB:g} MB/s", f"{row['extract']['tokens_per_second']:,.0f}",
                 f"{row['extract']['bytes_per_second'] / MB:,.1f}", f"{row['extract']['waiting']:.0%}",
                 f"{row['heads']['bytes_per_second'] / MB:,.1f}", f"{row['heads']['waiting']:.0%}"] for row in whole["throttled"]]
        print("\n" + text_table(["a disk of", "extraction\ntokens/s", "\nMB/s", "waiting for\nthe disk", "one head\nMB/s",
                                 "waiting for\nthe disk"], body))


def main():
    parser = bench_parser(__doc__, "tools/bench/extraction.py --model MODEL --squad SQUAD --throttle 20 50", "dev")
    declare(parser, "--folder", "--throttle")
    parser.add_argument("--questions", type=int, default=600, help="questions to encode [%(default)s]")
    parser.add_argument("--blocks-features", type=int, default=1800, help="features written and read without an encoder, 0.9 MB "
                        "each [%(default)s]")
    parser.add_argument("--blocks-mib", type=float, nargs="+", default=[8, 16, 64], help="block sizes, MiB [8 16 64]")
    options = parser.parse_args()
    if options.quick:
        options.questions, options.blocks_features, options.blocks_mib, options.rounds = 4, 20, [2], 1
    return bench_and_report(options, lambda folder: evaluate(Bench(options, folder)), print_report, options.folder)


if __name__ == "__main__":
    sys.exit(main())
