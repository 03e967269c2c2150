#!/usr/bin/env python3
"""Writes one offline HTML page about a run: RUN/report/index.html. Beside it are report.json, with every figure of the page, and the
folder files, with every drawing as SVG and PNG, and every table as CSV, Markdown and LaTeX.

The page names the results that the run does not have yet. A malformed file is an error that names it (exit code 2); the page is
made without it. A folder without any results of a study is an error, and no page is made. With --watch the page is made again
whenever the run's metrics change; the folder files is made at the end.
"""

import sys
import time
from pathlib import Path

try:
    from origin import require_alike
    from progress import changes, is_done, run_parser, under_way
    from run_files import RunError, words_of
    from run_folder import read_run, seed_folders
    from run_model import TASKS
    from sections import write_report
except ModuleNotFoundError as missing:
    install = Path(__file__).resolve().parents[1] / "install.sh"
    print(f"error: report: {sys.executable} has no package '{missing.name}'; $({install})/bin/python has all that is needed",
          file=sys.stderr)
    sys.exit(2)


def make(options, files):
    """Makes the page, with the folder `files` or without; names malformed files, and says whether there were none."""
    found = read_run(options.run)
    # If a launcher began the run, the page names missing results, even if nothing has been made yet.
    begun = (options.run / "study.toml").exists() or any(seed_folders(options.run, task) for task in TASKS)
    if options.watch is None and not begun:
        raise RunError(f"{options.run} holds no results of a study; expected {' or '.join(f'{task}/seed-<s>/' for task in TASKS)} in it")
    require_alike(found, options.mixed)
    seeds = sorted({result.seed for result in found.results})
    if options.explorer_seed not in (None, *seeds):
        raise RunError(f"--explorer-seed: {options.run} has no results of seed {options.explorer_seed}; expected one of: {', '.join(seeds)}")
    write_report(found, options.output, files, options.explorer_seed)
    for line in found.wrong:
        print(f"error: report: {line}", file=sys.stderr, flush=True)
    return not found.wrong


def watch(options):
    """Makes the page again whenever one of its sources changed, until the run is done. A malformed file is named, and may be mended
    meanwhile."""
    run, seen, done = options.run, None, False
    while not done:
        try:
            if (found := changes(run)) != seen:
                seen = found
                done = is_done(run)
                done = make(options, done and options.files) and done
                print(f"{time.strftime('%H:%M:%S')} {options.output / 'index.html'}", *(item["text"] for item in under_way(run)),
                      *["the run is done"] * done, sep="\n  ", flush=True)
        except (RunError, FileNotFoundError) as wrong:
            print(f"error: report: {words_of(wrong)}", file=sys.stderr, flush=True)
            done, seen = False, seen if isinstance(wrong, RunError) else None
        if not done:
            time.sleep(options.watch)


def main():
    examples = "examples:\n  tools/report/report.py --run runs/debug\n  tools/report/report.py --run runs/debug --watch 30"
    parser = run_parser(__doc__, examples, "folder for the page and its files (default RUN/report)")
    parser.add_argument("--mixed", action="store_true",
                        help="show results of different features or scorers together, and mark the results that differ from most others")
    parser.add_argument("--explorer-seed", metavar="SEED",
                        help="the seed that the explorer shows first; if a run is too large for all seeds, the page names the seeds "
                        "that it lacks (default: the first seed)")
    parser.add_argument("--no-files", dest="files", action="store_false",
                        help="make index.html and report.json alone, which takes a fraction of the time")
    options = parser.parse_args()
    options.output = options.output or options.run / "report"
    try:
        if options.watch is not None and options.run.is_dir():
            watch(options)
            return 0
        whole = make(options, options.files)
    except KeyboardInterrupt:
        return 0
    except (RunError, FileNotFoundError) as wrong:
        print(f"error: report: {words_of(wrong)}", file=sys.stderr)
        return 2
    print(options.output / "index.html")
    return 0 if whole else 2


if __name__ == "__main__":
    sys.exit(main())
