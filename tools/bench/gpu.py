#!/usr/bin/env python3
"""Checks a machine with GPUs: first right results, then equal bits, then speed.

Runs these items one after the other, each for ten minutes at most (--minutes):

  tests       the tests of label gpu
  self-test   all GPUs together train what one of them trains, in float32 and bfloat16
  parity      hidden states, losses and gradients against transformers on the same GPU
  heads       losses and logits of the span heads of configs/minilm.toml on a GPU against those on the CPU
  sanitizer   compute-sanitizer (memcheck, racecheck, initcheck) over the tests of label gpu
  equal-bits  runs of 50 steps end with the same weights, undisturbed or killed and resumed
  speed       fine-tuning on one GPU and on all, compared with transformers
  extraction  writing states into a store, compared with the encoder alone; training heads on that store
  study       what bv_plan --measure estimates for the reference's study, on one GPU and on eight

OUTPUT/<item>.log holds the output of an item's programs, OUTPUT/<item>.json its numbers and how it ended; OUTPUT/summary.json
has the numbers of all items. If an item fails, the others still run, and the exit code is 1. tools/bench/gpu.sh builds the
programs for this script.
"""
import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

from table import text_table

from programs import BenchError, counted, declare

try:
    from gpu_bench import Bench, Missing, OutOfTime
    from gpu_items import ITEMS
except ImportError as wrong:
    sys.exit(f"error: gpu: this Python lacks a package: {wrong}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder for everything that is made; some GB")
    parser.add_argument("--items", default=",".join(ITEMS), help="only these items, in this order [all]")
    parser.add_argument("--squad", type=Path, help="folder with train.json or train-v2.0.json [a corpus of our own, "
                        "whose windows are not SQuAD's: give SQuAD for numbers to quote]")
    parser.add_argument("--model", type=Path, help="Hugging Face BERT folder [BERT-Large with random weights]")
    parser.add_argument("--batch", type=int, default=48, help="sequences a step and GPU [%(default)s]")
    parser.add_argument("--steps", type=int, default=40, help="steps that count in each timed run [%(default)s]")
    parser.add_argument("--kills", type=int, default=20, help="random kills in equal-bits, if there is time [%(default)s]")
    parser.add_argument("--questions", type=int, default=4000, help="questions of the corpus of our own [%(default)s]")
    parser.add_argument("--few", type=int, default=800, help="questions whose states are stored [%(default)s]")
    parser.add_argument("--minutes", type=float, default=10, help="most minutes of an item [%(default)s]")
    parser.add_argument("--gpus", type=int, help="number of GPUs to use [all]")
    declare(parser, "--programs")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu stands in for GPUs, to try this script")
    options = parser.parse_args()
    options.items = options.items.split(",")
    for item in options.items:
        if item not in ITEMS:
            parser.error(f"--items: there is no '{item}'; there are {', '.join(ITEMS)}")
    return options


def count_gpus():
    try:
        return subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout.count("GPU ")
    except OSError:
        return 0


def card():
    """The names and the driver of the GPUs."""
    try:
        return subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True,
                              text=True, check=False).stdout.splitlines()
    except OSError:
        return []


def run_item(bench, name, minutes):
    """Runs an item; returns how it ended, and its numbers."""
    numbers, began = {}, time.monotonic()
    bench.deadline = began + 60 * minutes
    with open(bench.folder / f"{name}.log", "a+", encoding="utf-8", errors="replace") as bench.log:
        bench.log.truncate(0)
        try:
            ITEMS[name](bench, numbers)
            ended, why = "passed", ""
        except OutOfTime:
            ended, why = "out of time", counted(f"{minutes:g}", "minute")
        except ImportError as wrong:
            ended, why = "skipped", f"this Python lacks a package: {wrong}"
        except Missing as wrong:
            ended, why = "skipped", str(wrong)
        except BenchError as wrong:
            ended, why = "failed", str(wrong)
        except Exception:  # a mistake in one item must not stop the others
            ended, why = "failed", traceback.format_exc()
    return dict(item=name, ended=ended, why=why, seconds=round(time.monotonic() - began, 1), numbers=numbers)


def main():
    options = arguments()
    gpus = options.gpus or (count_gpus() if options.device == "cuda" else 1)
    if gpus == 0:
        sys.exit("error: gpu: nvidia-smi lists no GPU on this machine")
    options.output.mkdir(parents=True, exist_ok=True)
    bench = Bench(options, gpus)
    with open(bench.folder / "inputs.log", "w+", encoding="utf-8", errors="replace") as bench.log:
        try:
            bench.prepare()
        except (BenchError, ImportError) as wrong:
            sys.exit(f"error: gpu: {wrong}")
    summary = dict(cards=card() if options.device == "cuda" else ["CPU, in place of a GPU"], date=time.strftime("%Y-%m-%d"),
                   command=sys.argv, items=[])
    for name in options.items:
        print(f"gpu: {name} ...", file=sys.stderr, flush=True)
        summary["items"].append(run_item(bench, name, options.minutes))
        found = summary["items"][-1]
        for path, content in ((f"{name}.json", found), ("summary.json", summary)):
            (bench.folder / path).write_text(json.dumps(content, indent=1), encoding="utf-8")
        print(f"gpu: {name}: {found['ended']} after {found['seconds']} s {found['why'].splitlines()[0] if found['why'] else ''}",
              file=sys.stderr, flush=True)
    print("\n".join(["", *summary["cards"], ""]))
    print(text_table(["item", "ended", "s"], [[item["item"], item["ended"], f"{item['seconds']:.0f}"]
                                              for item in summary["items"]]))
    for item in summary["items"]:
        print(f"\n{item['item']}: {json.dumps(item['numbers'])[:2000]}")
    print(f"\n{bench.folder / 'summary.json'}")
    return int(any(item["ended"] == "failed" for item in summary["items"]))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
