"""The common parts of the benchmarks: their flags, where programs are, how they and Python are run here, how results are reported."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "report"))
from counted import counted as counted  # the benchmarks take it from here

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CORES = 2
# The flags that several benchmarks have.
FLAGS = {
    "--model": dict(type=Path, required=True, help="Hugging Face BERT folder"),
    "--rounds": dict(type=int, default=3, help="number of rounds [%(default)s]"),
    "--folder": dict(type=Path, help="folder on the disk to measure [the system's folder for temporary files]"),
    "--throttle": dict(type=float, nargs="*", default=[], help="rates of slow disks to try, MB/s"),
    "--json": dict(type=Path, help="file to write everything to, too"),
    "--programs": dict(type=Path, default=os.environ.get("BV_BIN") or REPOSITORY / "build/release/bin",
                       help="folder of the programs [$BV_BIN, else build/release/bin]"),
    "--quick": dict(action="store_true", help="small sizes, which only show that it runs"),
}


class BenchError(Exception):
    """A mistake that the user can correct; the message names it."""


def declare(parser, *flags):
    """Declares these of FLAGS."""
    for flag in flags:
        parser.add_argument(flag, **FLAGS[flag])


def bench_parser(about, example, split):
    """The parser of a benchmark that bench_and_report() runs on a split of SQuAD, "train" or "dev"."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog=f"example:\n  {example}")
    declare(parser, "--model")
    parser.add_argument("--squad", type=Path, required=True, help=f"folder with {' or '.join(text_names(split))}")
    declare(parser, "--rounds", "--json", "--programs", "--quick")
    return parser


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def spread(values):
    values = list(values)
    return dict(median=statistics.median(values), least=min(values), most=max(values))


def in_turn(jobs, rounds, tell):
    """{job: what each round returned}. Jobs run one after the other, every second round in the opposite order, so that a drift of
    the machine affects all alike. `tell(job, found)` says in a few words what a round found."""
    found = {job: [] for job in jobs}
    for number in range(rounds):
        for job in list(jobs)[:: 1 if number % 2 == 0 else -1]:
            found[job].append(jobs[job]())
            say(f"round {number + 1}: {tell(job, found[job][-1])}")
    return found


def summary(rounds):
    """A job's measurements over all rounds: {name: median, least, most}."""
    return {name: spread(one[name] for one in rounds) for name in rounds[0]}


def ratio(over, under, name):
    """The ratio of a measurement of two jobs, in each round."""
    return spread(a[name] / b[name] for a, b in zip(over, under))


def run(command, **environment):
    """Runs a command to its end and returns its standard output."""
    command = [str(part) for part in command]
    done = subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1", **environment}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"exit code {done.returncode}: {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def text_names(split):
    """The names that the file of a split of SQuAD may have."""
    return f"{split}.json", f"{split}-v2.0.json"


def text_in(squad, split):
    """The file of a split in a folder."""
    for name in text_names(split):
        if (squad / name).is_file():
            return squad / name
    raise BenchError(f"{squad} holds neither {' nor '.join(text_names(split))}")


class Programs:
    """The built programs; Python (its environment is `python`) runs with as many threads and the same memory allocator."""

    def __init__(self, folder):
        self.programs = folder.resolve()
        self.allocator = next((Path(line.split("=>")[1].split()[0]) for line in
                               run(["ldd", self.program("bv_prepare")]).splitlines() if "tcmalloc" in line), None)
        self.python = {"OMP_NUM_THREADS": str(CORES), "LD_PRELOAD": str(self.allocator or "")}

    def program(self, name):
        path = self.programs / name
        if not path.is_file():
            raise BenchError(f"{path} is missing; build it (tools/build.sh) or set --programs")
        return path

    def on_ranks(self, ranks, program, *flags, disk=None, **environment):
        """Runs a program on `ranks` ranks, which share the cores, at a slow disk's rate if there is one; returns its output."""
        command = [REPOSITORY / "launch/run_ranks.sh", "--ranks", ranks, "--threads", CORES // ranks, "--",
                   self.program(program), *flags]
        command = [str(part) for part in command]
        done = subprocess.run(disk.inside(command) if disk else command, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment}, check=False)
        if done.returncode != 0:
            raise BenchError(f"exit code {done.returncode}: {' '.join(command)}\n{done.stdout[-2000:]}")
        return done.stdout

    def probe(self, ranks, action, *arguments):
        """What store_probe (tests/states/store_probe.cpp) prints. It has the programs' allocator."""
        text = self.on_ranks(ranks, "store_probe", action, *arguments, LD_PRELOAD=self.python["LD_PRELOAD"])
        return json.loads(text.strip().splitlines()[-1])


def bench_and_report(options, measure, print_report, folder=None):
    """Runs a benchmark in a new folder within `folder`, prints its dictionary, writes it as JSON, and returns the exit code."""
    load = os.getloadavg()[0]
    if load > 0.5 and not options.quick:
        say(f"the machine is busy (load {load:.1f}), so the numbers will be wrong")
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as own:
            whole = dict(model=str(options.model), cores=CORES, rounds=options.rounds, quick=options.quick, load_before=load,
                         **measure(Path(own)))
    except (BenchError, OSError) as wrong:
        print(f"error: bench: {wrong}", file=sys.stderr)
        return 2
    print_report(whole)
    if options.quick:
        print("\n--quick: these numbers mean nothing")
    say(f"{time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return 0


def read_lines(path):
    """The objects of a file with one JSON object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_steps(path):
    """The lines of a metrics file that tell of a step."""
    return [line for line in read_lines(path) if "step" in line]
