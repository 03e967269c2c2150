#!/usr/bin/env python3
"""Writes one offline HTML page about a run: RUN/report/index.html. Beside it stand report.json with every figure of the page,
and the folder files: every drawing as SVG and PNG, every table as CSV, Markdown and LaTeX.

What the run does not have yet is named on the page. A malformed file is an error that names it (exit code 2); the page is
made without it.
"""

import argparse
import sys
from pathlib import Path

try:
    from run_files import RunError
    from run_folder import read_run
    from sections import write_report
except ModuleNotFoundError as missing:
    install = Path(__file__).resolve().parents[1] / "install.sh"
    print(f"error: report: {sys.executable} has no package '{missing.name}'; $({install})/bin/python has all that is needed",
          file=sys.stderr)
    sys.exit(2)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  tools/report/report.py --run runs/debug",
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--output", type=Path, help="folder for the page and its files (default RUN/report)")
    options = parser.parse_args()
    output = options.output or options.run / "report"
    try:
        run = read_run(options.run)
    except RunError as wrong:
        print(f"error: report: {wrong}", file=sys.stderr)
        return 2
    write_report(run, output)
    for line in run.wrong:
        print(f"error: report: {line}", file=sys.stderr)
    print(output / "index.html")
    return 2 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
