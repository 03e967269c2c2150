#!/usr/bin/env python3
"""Fails when a file of src includes from a folder its layer must not know, or waits for a GPU unsaid. Usage:
check_layers.py SRC"""
import re
import sys
from pathlib import Path

ORDER = [["core"], ["dist"], ["optim", "store"], ["squad"], ["bert", "adapter"], ["stages"], ["apps"]]
LEVEL = {folder: level for level, folders in enumerate(ORDER) for folder in folders}
# Folders that know nothing of ranks, and what the store must not know.
FORBIDDEN = {"bert": ["dist/", "mpi.h"], "adapter": ["dist/", "mpi.h"], "squad": ["dist/", "mpi.h"],
             "core": ["mpi.h", "ATen", "torch"], "store": ["ATen", "torch"], "dist": ["ATen", "torch"]}
# Waits for a GPU without a word to the watchdog; optim/to_host has what tells it.
UNSAID_WAIT = re.compile(r"\.(item(<[^>]*>)?|cpu)\(\)|\.to\((at::)?kCPU")
TO_HOST = "optim/to_host.cpp"


def complaints(source):
    for path in sorted(source.rglob("*")):
        if path.suffix not in {".hpp", ".cpp", ".cu", ".h"}:
            continue
        folder = path.relative_to(source).parts[0]
        if folder not in LEVEL:
            yield f"{path}: folder '{folder}' is in no layer"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if UNSAID_WAIT.search(line) and path.relative_to(source).as_posix() != TO_HOST:
                yield f"{path}:{number}: copies from a GPU are made by optim/to_host.hpp, which tells the watchdog"
            found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not found:
                continue
            target = found.group(1)
            other = target.split("/")[0]
            if other in LEVEL and other != folder and LEVEL[other] >= LEVEL[folder]:
                yield f"{path}:{number}: {folder} must not include {target}"
            for prefix in FORBIDDEN.get(folder, []):
                if target.startswith(prefix):
                    yield f"{path}:{number}: {folder} must not know {target}"


def main():
    found = list(complaints(Path(sys.argv[1])))
    print("\n".join(found) or "every include keeps to its layer")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
