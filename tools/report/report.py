#!/usr/bin/env python3
"""Writes one offline HTML page about a run: RUN/report/index.html. Beside it stand report.json with every figure of the page,
and the folder files: every drawing as SVG and PNG, every table as CSV, Markdown and LaTeX.

What the run does not have yet is named on the page. A malformed file is an error that names it (exit code 2); the page is
made without it. With --watch the page is made again whenever the run's metrics change.
"""

import argparse
import sys
import time
from pathlib import Path

try:
    from origin import require_alike
    from progress import add_watch_flag, changes, is_done, under_way
    from run_files import RunError
    from run_folder import read_run
    from sections import write_report
except ModuleNotFoundError as missing:
    install = Path(__file__).resolve().parents[1] / "install.sh"
    print(f"error: report: {sys.executable} has no package '{missing.name}'; $({install})/bin/python has all that is needed",
          file=sys.stderr)
    sys.exit(2)


def make(run, output, allow_mixed):
    """Makes the page; names malformed files, and says whether there were none."""
    found = read_run(run)
    require_alike(found, allow_mixed)
    write_report(found, output)
    for line in found.wrong:
        print(f"error: report: {line}", file=sys.stderr, flush=True)
    return not found.wrong


def watch(run, output, seconds, allow_mixed):
    """Makes the page again whenever what it is made from changed, until the run is done. A file that is not what it should be
    is named, and may be mended meanwhile."""
    seen, done = None, False
    while not done:
        found = changes(run)
        if found != seen:
            seen = found
            try:
                done = is_done(run)
                done = make(run, output, allow_mixed) and done
                print(f"{time.strftime('%H:%M:%S')} {output / 'index.html'}", *(item["text"] for item in under_way(run)),
                      *["the run is done"] * done, sep="\n  ", flush=True)
            except RunError as wrong:
                print(f"error: report: {wrong}", file=sys.stderr, flush=True)
                done = False
        if not done:
            time.sleep(seconds)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  tools/report/report.py --run runs/debug\n  tools/report/report.py --run runs/debug --watch 30",
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--output", type=Path, help="folder for the page and its files (default RUN/report)")
    add_watch_flag(parser)
    parser.add_argument("--mixed", action="store_true",
                        help="show results of different features or scorers together, and mark those that are not as most are")
    options = parser.parse_args()
    output = options.output or options.run / "report"
    try:
        if options.watch is not None and options.run.is_dir():
            watch(options.run, output, options.watch, options.mixed)
            return 0
        whole = make(options.run, output, options.mixed)
    except KeyboardInterrupt:
        return 0
    except RunError as wrong:
        print(f"error: report: {wrong}", file=sys.stderr)
        return 2
    print(output / "index.html")
    return 0 if whole else 2


if __name__ == "__main__":
    sys.exit(main())
