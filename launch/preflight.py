#!/usr/bin/env python3
"""Judges what launch/rank.sh --check said of every rank (standard input), shows what will run where, and records it.

Ends with exit code 2 and a line for each thing that would fail later: a rank without a GPU of its own, a file it was given
that it does not see, another build. Needs nothing but Python 3.6, so that a cluster's own serves.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

MOST_NODES = 16  # on one screen
CAPTURED = re.compile(r"^(SLURM_(JOB|ARRAY|RESTART|CPUS|NTASKS|SUBMIT)|NCCL_|UCX_|OMPI_MCA_|OMP_|CUDA_|HDF5_|BV_|LOADEDMODULES)")


def read_ranks(lines, given):
    """For every rank its number, host, gpu, driver, uuid, cores, build and the sizes of the given files."""
    ranks = []
    for line in lines:
        fields = line.rstrip("\n").split("\t")
        if fields[0] != "rank":
            continue  # the output of a prologue or a module
        number, host, gpu, driver, uuid, cores, build, *sizes = fields[1:]
        ranks.append(
            {"rank": int(number), "host": host, "gpu": gpu, "driver": driver, "uuid": uuid, "cores": cores, "build": build,
             "sizes": dict(zip(given, sizes))}
        )
    return sorted(ranks, key=lambda rank: rank["rank"])


def complaints(ranks, wanted, gpus):
    """The faults that were found, one line for each."""
    if [rank["rank"] for rank in ranks] != list(range(wanted)):
        yield f"only {len(ranks)} of {wanted} ranks answered: {', '.join(str(rank['rank']) for rank in ranks)}"
        return
    first, owners = ranks[0], {}
    for rank in ranks:
        who = f"rank {rank['rank']} (host {rank['host']})"
        if gpus and not rank["gpu"]:
            yield f"{who} sees no GPU of its own; each rank needs the GPU of its number on its node, or must see just one GPU, its own"
        if gpus and rank["uuid"] and owners.setdefault(rank["uuid"], rank["rank"]) != rank["rank"]:
            yield f"{who} would share {rank['uuid']} with rank {owners[rank['uuid']]}; each rank needs a GPU of its own"
        if rank["build"] != first["build"]:
            yield f"{who} has another build of the program ({rank['build']}) than rank 0 ({first['build']})"
        for path, size in rank["sizes"].items():
            if size == "-":
                yield f"{who} does not see {path}; all nodes must share its file system"
            elif size != first["sizes"][path] and not os.path.isdir(path):
                yield f"{who} sees another {path} ({size} bytes) than rank 0 ({first['sizes'][path]} bytes)"


def screen(ranks, command, launcher, threads):
    """What will run where: one line for each node."""
    nodes = {}
    for rank in ranks:
        nodes.setdefault(rank["host"], []).append(rank)
    name = os.path.basename(program_of(command)[1])
    yield (f"{len(ranks)} rank{'s' * (len(ranks) > 1)} of {name} (build {ranks[0]['build']}) on {len(nodes)} "
           f"node{'s' * (len(nodes) > 1)} by {launcher}, {threads} thread{'s' * (threads > 1)} each")
    for host, there in list(nodes.items())[:MOST_NODES]:
        numbers = [rank["rank"] for rank in there]
        span = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
        gpus = sorted({rank["gpu"] for rank in there})
        cores = sorted({rank["cores"] for rank in there}, key=lambda text: [int(n) for n in re.findall(r"\d+", text)])
        devices = f"{len(there)} x {gpus[0]}, driver {there[0]['driver']}" if gpus != [""] else "CPU"
        yield f"  {host}: rank{'s' * (len(there) > 1)} {span}; {devices}; cores {' | '.join(cores)}"
    if len(nodes) > MOST_NODES:
        yield f"  ... and {len(nodes) - MOST_NODES} nodes more"


def program_of(command):
    """The words before our program (those of a container), and the program."""
    for place, word in enumerate(command):
        if os.path.basename(word).startswith("bv_"):
            return command[:place], word
    return [], command[0]


def output_of(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def libraries(command):
    """The library files that the program loads, by name."""
    before, program = program_of(command)
    found = dict(re.findall(r"^\s*(\S+) => (\S+)", output_of([*before, "ldd", program]), re.MULTILINE))
    return {name: os.path.realpath(path) for name, path in found.items()
            if re.match(r"lib(torch|c10|mpi|hdf5|nccl|cudart|pmix|icuuc|gomp|tcmalloc)", name)}


def versions(command):
    """What our program says of itself by --version: its version, commit, compiler and libraries, each by its name."""
    before, program = program_of(command)
    if not os.path.basename(program).startswith("bv_"):
        return {}
    return dict(line.split(None, 1) for line in output_of([*before, program, "--version"]).splitlines())


def record(ranks, command, launcher, threads):
    """Everything about this start on which its results may depend."""
    repository = str(Path(__file__).resolve().parents[1])
    git = ["git", "-C", repository, "-c", f"safe.directory={repository}"]
    packed = Path(repository) / "VERSION"  # a bundle (tools/bundle.sh) has this file, and no git repository
    if packed.is_file():
        commit, changed = next(iter(re.findall(r"^commit (\S+)$", packed.read_text(), re.MULTILINE)), None), []
    else:
        commit = output_of([*git, "rev-parse", "HEAD"]) or None
        changed = output_of([*git, "diff", "--name-only", "HEAD"]).splitlines()
    for rank in ranks:
        del rank["sizes"]
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command,
        "folder": os.getcwd(),
        "commit": commit,
        "changed_files": changed,
        "launcher": launcher,
        "threads": threads,
        "ranks": ranks,
        "versions": versions(command),
        "slurm": output_of(["scontrol", "--version"]) or None,
        "system": platform.platform(),
        "libraries": libraries(command),
        "environment": {name: value for name, value in sorted(os.environ.items()) if CAPTURED.match(name)},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, required=True, help="number of ranks that must answer")
    parser.add_argument("--launcher", help="mpirun or srun; leave it out for a single process without a launcher")
    parser.add_argument("--threads", type=int, required=True, help="threads of a rank")
    parser.add_argument("--gpus", action="store_true", help="every rank must see its GPU")
    parser.add_argument("--given", action="append", default=[], help="a file whose size every rank printed")
    parser.add_argument("--record", type=Path, help="JSON file to write")
    parser.add_argument("command", nargs="+", help="the program and its arguments")
    options = parser.parse_args()
    ranks = read_ranks(sys.stdin, options.given)
    wrong = list(complaints(ranks, options.ranks, options.gpus))
    for line in wrong[:MOST_NODES]:
        print(f"error: preflight: {line}", file=sys.stderr)
    if wrong:
        return 2
    if options.launcher:
        print("\n".join(screen(ranks, options.command, options.launcher, options.threads)), file=sys.stderr)
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record(ranks, options.command, options.launcher, options.threads), indent=2)
        options.record.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
