#!/usr/bin/env python3
"""Makes a run of made-up predictions of any size, on which the report is measured.

Its questions are those of tools/make_corpus.py. For each checkpoint and head it has records of questions and the metrics that
follow from them. Questions are learned, forgotten and learned again as fine-tuning goes on. The same flags give the same run.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from made_run import EPOCHS, Shape, write_run

REPORT = Path(__file__).resolve().parents[1] / "report" / "report.py"
LOADS = 5
SETTINGS = {"one-seed": {"seeds": 1}, "everything": {"tasks": ["span", "classification"], "experiments": True}}


def main():
    plain = Shape()
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  tools/bench/report.py --output /tmp/made --questions 300 --checkpoints 5 --heads 6 --seeds 2",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the run; must not exist")
    for name, about in (("questions", "dev questions"), ("checkpoints", f"checkpoints of BERT, at most {len(EPOCHS)}"),
                        ("heads", "heads at each of --head-checkpoints"), ("head_checkpoints", "checkpoints that have heads"),
                        ("seeds", "seeds of each task"), ("seed", "seed of the made-up predictions")):
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(plain, name),
                            help=f"{about} (default %(default)s)")
    parser.add_argument("--tasks", default="span", help="span, classification or both, comma-separated (default %(default)s)")
    parser.add_argument("--experiments", action="store_true",
                        help="less data, layer ablation, layer atlas, shuffled labels, mixed checkpoints and ensembles too")
    parser.add_argument("--page", action="store_true",
                        help="make the report's page too, and load it in a headless Chromium; prints what both took")
    parser.add_argument("--both", action="store_true",
                        help="measure two pages, in folders of --output: of one seed of the span task, and of three seeds of both tasks "
                        "with all experiments; of the other flags only --output has an effect then")
    options = parser.parse_args()
    if options.output.exists():
        print(f"error: bench: {options.output} exists; expected a folder that can be made", file=sys.stderr)
        return 2
    if options.both:
        for name, setting in SETTINGS.items():
            measure(options.output / name, Shape(**setting), page=True)
        return 0
    given = {key: value for key, value in vars(options).items() if key not in ("output", "page", "both")}
    shape = Shape(**given | {"tasks": options.tasks.split(",")})
    if not {*shape.tasks} <= {"span", "classification"}:
        parser.error(f"--tasks: {options.tasks}; expected span, classification or both")
    if not 1 <= shape.checkpoints <= len(EPOCHS) or min(shape.questions, shape.heads, shape.head_checkpoints, shape.seeds) < 1:
        parser.error(f"every number but --seed is at least 1, --checkpoints at most {len(EPOCHS)}")
    measure(options.output, shape, options.page)
    return 0


def measure(run, shape, page):
    """Makes a run, and prints what it and its page took."""
    began = time.monotonic()
    systems = write_run(run, shape)
    size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    told = {"run": str(run), "questions": shape.questions, "systems": systems,
            "made_seconds": round(time.monotonic() - began, 2), "run_mb": round(size / 1e6, 1)}
    print(json.dumps(told | (measure_page(run) if page else {})), flush=True)


def measure_page(run):
    """Seconds that the page alone takes, its size, and the seconds until it can be used in a browser: the least of LOADS."""
    from chromium import Browser, find_chromium

    began = time.monotonic()
    subprocess.run([sys.executable, REPORT, "--run", run, "--no-files"], check=True, stdout=subprocess.DEVNULL)
    page = run / "report" / "index.html"
    told = {"page_seconds": round(time.monotonic() - began, 2), "page_mb": round(page.stat().st_size / 1e6, 2)}
    if find_chromium():
        with Browser() as browser:
            told["load_seconds"] = round(min(browser.open(page) for _ in range(LOADS)), 2)
    return told


if __name__ == "__main__":
    sys.exit(main())
