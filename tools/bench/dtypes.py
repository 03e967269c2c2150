#!/usr/bin/env python3
"""How much worse narrow states make each head: the same heads trained on stores of one checkpoint in several types.

Extracts the training and dev features in each type, trains the heads on each pair of stores with the same seed, and prints EM
and F1 on the dev features. For all types but the first it prints the difference from the first, with its 95 % interval: a paired
bootstrap over questions, clustered by paragraph, and over seeds where there are several (tools/report/significance.py). With
--folder stores and trained heads stay there, so the same command goes on after an interruption, also with more heads. Without it
stores are deleted when their heads are trained, so the disk needs room only for the largest pair.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

from table import text_table

from programs import CORES, REPOSITORY, BenchError, declare, run

sys.path.insert(0, str(REPOSITORY / "tools/report"))
from question_records import NAME, read_records
from significance import bootstrap
from system import parts_of

DTYPES = ("float32", "float16", "bfloat16", "float8")


def records_of(folder, heads):
    """{head: the records of its questions} of those heads, names or files; a probe of one layer has the name of the layer too."""
    wanted = {Path(head).name.removesuffix(".toml") for head in heads.split(",")}
    found = {}
    for path in sorted(folder.glob("*/*/*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if "diverged" in metrics:
            raise BenchError(f"{path.parent}: the head diverged")
        if metrics["head"] not in wanted:  # of an earlier command
            continue
        name = metrics["head"] + "".join(path.parent.name.partition("-layer-")[1:])
        found[name] = read_records(path.with_name(NAME))
    return found


def train_on(dtype, seed, checkpoint, options, folder):
    """The records of the heads trained on states in one type, and the bytes of both stores."""
    ranks = [REPOSITORY / "launch/run_ranks.sh", "--ranks", CORES, "--threads", 1, "--"]
    stores = {}
    for split, features in (("train", options.features), ("dev", options.dev_features)):
        stores[split] = folder / f"{split}-{dtype}-{seed}.h5"
        run([*ranks, options.programs / "bv_extract", "--checkpoint", checkpoint, "--task", options.task, "--features", features,
             "--dtype", dtype, "--store", stores[split]])
    heads = folder / f"{dtype}-{seed}"
    run([*ranks, options.programs / "bv_train", "--store", stores["train"], "--dev-store", stores["dev"], "--heads", options.heads,
         "--seed", seed, "--output", heads, *(["--epochs", options.epochs] if options.epochs else [])])
    size = sum(path.stat().st_size for path in stores.values())
    if not options.folder:
        for path in stores.values():
            path.unlink()
    return records_of(heads, options.heads), size


def compared(records, dtypes, measure):
    """{head: (score of the first type, {dtype: its Difference from the first})}, from {(dtype, seed): {head: records}}, in percent."""
    heads = list(next(iter(records.values())))
    systems = [(head, dtype) for head in heads for dtype in dtypes]
    seeds = {seed for _, seed in records}
    parts = [{seed: parts_of(records[dtype, seed][head], None, measure) for seed in seeds} for head, dtype in systems]
    drawn = bootstrap(parts, next(iter(records.values()))[heads[0]]["context"])
    first = {head: systems.index((head, dtypes[0])) for head in heads}
    return {head: (float(drawn.scores[first[head]]),
                   {dtype: drawn.difference(systems.index((head, dtype)), first[head]) for dtype in dtypes[1:]}) for head in heads}


def difference_text(one):
    return f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, nargs="+", help="a checkpoint for each seed: 1, 2, ...")
    parser.add_argument("--features", type=Path, required=True, help="features file to train on")
    parser.add_argument("--dev-features", type=Path, required=True, help="features file to score on")
    parser.add_argument("--task", choices=("span", "classification"), default="span")
    parser.add_argument("--heads", required=True, help="names or files, separated by commas")
    parser.add_argument("--epochs", type=int, help="passes of the heads over the training states [that of bv_train]")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES, help="the first is what the others are compared with [all]")
    parser.add_argument("--folder", type=Path, help="folder for stores and heads, which stay there [a temporary folder]")
    declare(parser, "--programs", "--json")
    options = parser.parse_args()
    options.programs = options.programs.resolve()
    records, sizes = {}, {}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
            folder = options.folder or Path(temporary)
            for seed, checkpoint in enumerate(options.checkpoint, 1):
                for dtype in options.dtypes:
                    records[dtype, seed], sizes[dtype] = train_on(dtype, seed, checkpoint, options, folder)
    except (BenchError, OSError) as wrong:
        print(f"error: bench: {wrong}", file=sys.stderr)
        return 2
    measures = {"EM" if options.task == "span" else "accuracy": "exact", "F1": "f1"}
    found = {name: compared(records, options.dtypes, measure) for name, measure in measures.items()}
    first, *others = options.dtypes
    body = [[head, *(cell for name in measures for cell in
                     (f"{found[name][head][0]:.2f}", *(difference_text(found[name][head][1][dtype]) for dtype in others)))]
            for head in found["F1"]]
    print(text_table(["head", *(title for name in measures for title in
                                (f"{first}\n{name}", *(f"{dtype}\n{name} − {first}'s" for dtype in others)))], body))
    print("stores: " + ", ".join(f"{dtype} {size / 1e9:.2f} GB" for dtype, size in sizes.items()))
    if options.json:
        scores = {name: {head: {first: score, **{dtype: vars(one) for dtype, one in told.items()}} for head, (score, told) in
                         of.items()} for name, of in found.items()}
        options.json.write_text(json.dumps({"seeds": len(options.checkpoint), "bytes": sizes, "scores": scores}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
