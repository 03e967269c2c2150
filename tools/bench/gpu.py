#!/usr/bin/env python3
"""Checks a machine with GPUs: first right results, then equal bits, then speed.

Runs these items one after the other:

  tests       the tests of label gpu
  self-test   all GPUs together train what one of them trains, in float32 and bfloat16
  parity      hidden states, losses and gradients against transformers on the same GPU
  heads       losses and logits of the span heads of configs/minilm.toml on a GPU against those on the CPU
  sanitizer   compute-sanitizer (memcheck, racecheck, initcheck) over the tests of our own kernels, then memcheck over the
              other tests of label gpu
  equal-bits  runs of 50 steps end with the same weights, undisturbed or killed and resumed
  speed       fine-tuning on one GPU and on all, compared with transformers
  extraction  writing states into a store, compared with the encoder alone; training heads on a store
  study       what bv_plan --measure estimates for the reference's study, on one GPU and on eight, and how well it predicts
              the time of 5 % of an epoch of fine-tuning

Before the first item that needs a model and questions, the item "inputs" makes them.

No item takes longer than --minutes, and all together take no longer than --total-minutes. An item that is cut short keeps its
numbers. SIGTERM and SIGINT end the script in the same way. OUTPUT/summary.json has the numbers of all items, and how each one
ended. OUTPUT/results.tar.gz has them too, in <item>.json, and what the programs printed, in <item>.log. Both are written again
during and after each item. All else is made in the folder --work. If an item fails, the others still run, and the exit code
is 1. tools/bench/gpu.sh builds the programs for this script.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from gpu_bench import Bench, Clock, Missing, OutOfTime, end_children
from gpu_items import CHECKS, WITHOUT_INPUTS, inputs
from gpu_rates import RATES
from gpu_results import Results
from table import text_table

from programs import BenchError, counted, declare

ITEMS = CHECKS | RATES
LINE_CHARACTERS = 500  # of an item's numbers in the last lines


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder for the results; two small files")
    parser.add_argument("--items", default=",".join(ITEMS), help="only these items, in this order [all]")
    parser.add_argument("--squad", type=Path, help="folder with train.json or train-v2.0.json [a corpus of our own, "
                        "whose windows are not SQuAD's: give SQuAD for numbers to quote]")
    parser.add_argument("--model", type=Path, help="Hugging Face BERT folder [BERT-Large with random weights]")
    parser.add_argument("--batch", type=int, default=48, help="sequences a step and GPU [%(default)s]")
    parser.add_argument("--steps", type=int, default=40, help="steps that count in each timed run [%(default)s]")
    parser.add_argument("--kills", type=int, default=20, help="random kills in equal-bits, if there is time [%(default)s]")
    parser.add_argument("--questions", type=int, default=4000, help="questions of the corpus of our own [%(default)s]")
    parser.add_argument("--few", type=int, default=800, help="questions whose states of all layers are stored [%(default)s]")
    parser.add_argument("--minutes", type=float, default=10, help="most minutes of an item [%(default)s]")
    parser.add_argument("--total-minutes", type=float, default=9, help="most minutes of all items together [%(default)s]")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / f"bertvision-gpu-{os.getuid()}",
                        help="folder for models, states and logs; some 20 GB; the next call finds the model there [%(default)s]")
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


def run_item(bench, clock, found):
    """Runs an item, and fills its record `found`."""
    name, began = found["item"], time.monotonic()
    item = inputs if name == "inputs" else ITEMS[name]
    seconds = min(60 * bench.options.minutes, clock.left())
    log = bench.results.log_of(name)
    log.unlink(missing_ok=True)
    with open(log, "a+", encoding="utf-8", errors="replace") as bench.log:
        try:
            with clock.limit(seconds):
                item(bench, found["numbers"])
            ended, why = "passed", ""
        except OutOfTime:
            minutes = counted(f"{seconds / 60:.3g}", "minute")
            ended, why = "out of time", f"stopped by {clock.signal.name}" if clock.signal else minutes
        except ImportError as wrong:
            ended, why = "skipped", f"this Python lacks a package: {wrong}"
        except Missing as wrong:
            ended, why = "skipped", str(wrong)
        except BenchError as wrong:
            ended, why = "failed", str(wrong)
        except Exception:  # a mistake in one item must not stop the others
            ended, why = "failed", traceback.format_exc()
        found |= dict(ended=ended, why=why, seconds=round(time.monotonic() - began, 1))
        bench.results.save()  # first of all: after SIGTERM there may be little time
        end_children()


def run_items(bench, clock):
    """Runs all items; an item that cannot begin is recorded too."""
    names = list(bench.options.items)
    first = next((place for place, name in enumerate(names) if name not in WITHOUT_INPUTS), None)
    if first is not None:
        names.insert(first, "inputs")
    no_inputs = False
    for name in names:
        found = bench.results.begin(name)
        if clock.left() <= 0:
            found |= dict(ended="not begun", why=f"stopped by {clock.signal.name}" if clock.signal else "no time is left")
        elif no_inputs and name not in WITHOUT_INPUTS:
            found |= dict(ended="not begun", why="there are no inputs")
        else:
            print(f"gpu: {name} ...", file=sys.stderr, flush=True)
            run_item(bench, clock, found)
        no_inputs |= name == "inputs" and found["ended"] != "passed"
        print(f"gpu: {name}: {found['ended']} after {found['seconds']} s", file=sys.stderr, flush=True)
    bench.results.save()


def line(text):
    """A short line of a text or of an item's numbers: only the end of a long output may come back from a borrowed machine."""
    if not isinstance(text, str):
        text = re.sub(r"\d+\.\d+(e[-+]?\d+)?", lambda number: f"{float(number[0]):.4g}", json.dumps(text))
    text = text.strip().partition("\n")[0]
    return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]} ..."


def print_summary(results):
    items = results.summary["items"]
    print("\n".join(["", *map(str, results.summary["cards"]), ""]))
    print(text_table(["item", "ended", "s"], [[item["item"], item["ended"], f"{item['seconds']:.0f}"] for item in items]))
    for item in items:
        print(f"\n{item['item']}: {line(item['numbers'])}")
        if item["why"]:
            print(f"  {item['ended']}: {line(item['why'])}")
    print(f"\n{results.output / 'summary.json'}; logs in {results.output / 'results.tar.gz'}")


def main():
    options = arguments()
    clock = Clock(options.total_minutes)
    gpus = options.gpus or (count_gpus() if options.device == "cuda" else 1)
    if gpus == 0:
        sys.exit("error: gpu: nvidia-smi lists no GPU on this machine")
    results = Results(options.output, options.work, card() if options.device == "cuda" else ["CPU, in place of a GPU"])
    run_items(Bench(options, gpus, results), clock)
    print_summary(results)
    if clock.signal:
        return 128 + clock.signal
    return int(any(item["ended"] == "failed" for item in results.summary["items"]))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
