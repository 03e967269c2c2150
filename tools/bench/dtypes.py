#!/usr/bin/env python3
"""How much worse narrow states make each head: the same heads trained on stores of one checkpoint in all types.

Extracts the training and dev features in each type, trains the heads on each pair of stores with the same seed, and prints EM
and F1 on the dev features. For all types but float32 it prints the difference from float32. Stores are deleted when their
heads are trained, so the disk needs room only for the largest pair.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

from table import text_table

from programs import CORES, REPOSITORY, BenchError, run

DTYPES = ("float32", "float16", "bfloat16", "float8")


def scores_of(folder, task):
    """{head: (EM or accuracy, F1)} of trained heads, in percent."""
    found = {}
    for path in sorted(folder.glob("*/*/*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if "diverged" in metrics:
            raise BenchError(f"{path.parent}: the head diverged")
        if task == "span":
            found[metrics["head"]] = (metrics["official"]["exact"], metrics["official"]["f1"], metrics["official"]["best_f1"])
        else:
            own = metrics["classification"]
            found[metrics["head"]] = (own["exact"], own["f1"])
    return found


def train_on(dtype, options, folder):
    stores = {}
    for split, features in (("train", options.features), ("dev", options.dev_features)):
        stores[split] = folder / f"{split}.h5"
        run([REPOSITORY / "launch/run_ranks.sh", "--ranks", CORES, "--threads", 1, "--", options.programs / "bv_extract",
             "--checkpoint", options.checkpoint, "--task", options.task, "--features", features, "--dtype", dtype,
             "--store", stores[split]])
    heads = folder / dtype
    run([REPOSITORY / "launch/run_ranks.sh", "--ranks", CORES, "--threads", 1, "--", options.programs / "bv_train",
         "--store", stores["train"], "--dev-store", stores["dev"], "--heads", options.heads, "--output", heads])
    size = sum(path.stat().st_size for path in stores.values())
    for path in stores.values():
        path.unlink()
    return scores_of(heads, options.task), size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="features file to train on")
    parser.add_argument("--dev-features", type=Path, required=True, help="features file to score on")
    parser.add_argument("--task", choices=("span", "classification"), default="span")
    parser.add_argument("--heads", required=True, help="names or files, separated by commas")
    parser.add_argument("--folder", type=Path, help="folder for the stores [the system's folder for temporary files]")
    parser.add_argument("--programs", type=Path, default=REPOSITORY / "build/release/bin", help="folder of the programs [build/release/bin]")
    parser.add_argument("--json", type=Path, help="file to write everything to, too")
    options = parser.parse_args()
    options.programs = options.programs.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
            results = {dtype: train_on(dtype, options, Path(folder)) for dtype in DTYPES}
    except (BenchError, OSError) as wrong:
        print(f"error: bench: {wrong}", file=sys.stderr)
        return 2
    names = ("EM", "F1", "best F1") if options.task == "span" else ("accuracy", "F1")
    exact = results["float32"][0]
    body = []
    for head, scores in exact.items():
        row = [head, *(f"{score:.2f}" for score in scores)]
        for dtype in DTYPES[1:]:
            row += [f"{found - score:+.2f}" for found, score in zip(results[dtype][0][head], scores)]
        body.append(row)
    print(text_table(["head", *(f"float32\n{name}" for name in names),
                      *(f"{dtype}\n{name}" for dtype in DTYPES[1:] for name in names)], body))
    print("stores: " + ", ".join(f"{dtype} {size / 1e9:.2f} GB" for dtype, (_, size) in results.items()))
    if options.json:
        options.json.write_text(json.dumps({dtype: dict(bytes=size, scores=scores) for dtype, (scores, size) in results.items()},
                                           indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
