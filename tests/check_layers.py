#!/usr/bin/env python3
"""Fails when a file of src includes from a folder its layer must not know. Usage: check_layers.py SRC"""
import re
import sys
from pathlib import Path

# Lowest first; folders of one line do not know each other.
ORDER = [
    ["core"],
    ["io"],
    ["config"],
    ["comm"],
    ["tensor"],
    ["random"],
    ["device"],
    ["store"],
    ["optim"],
    ["squad/text"],
    ["squad/features"],
    ["squad/scoring"],
    ["bert/attention"],
    ["bert"],
    ["heads/blocks"],
    ["heads"],
    ["states"],
    ["programs/shared"],
    ["programs/prepare", "programs/finetune", "programs/extract", "programs/train", "programs/eval"],
    ["programs/store"],
    ["programs/plan"],
]
LEVEL = {folder: level for level, folders in enumerate(ORDER) for folder in folders}
# What all files of a folder must not include, whatever its place in the order: ranks, Torch.
RANKS, TORCH = ["comm/", "mpi.h"], ["ATen", "c10", "torch"]
FORBIDDEN = {"core": ["mpi.h", "nlohmann"] + TORCH, "io": ["mpi.h"] + TORCH, "config": ["mpi.h"] + TORCH, "comm": TORCH, "store": TORCH,
             "tensor": RANKS, "random": RANKS, "squad": RANKS + TORCH, "bert": RANKS, "heads": RANKS}


def folder_of(path):
    """The innermost folder of ORDER that holds the path; none where there is no such folder."""
    return next((str(parent) for parent in Path(path).parents if str(parent) in LEVEL), None)


def complaints(source):
    for path in sorted(source.rglob("*")):
        if path.suffix not in {".hpp", ".cpp", ".cu", ".h"}:
            continue
        inside = path.relative_to(source)
        folder = folder_of(inside)
        if folder is None or folder != str(inside.parent):
            yield f"{path}: folder '{inside.parent}' is in no layer"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not found:
                continue
            target = found.group(1)
            other = folder_of(target)
            if other is not None and other != folder and LEVEL[other] >= LEVEL[folder]:
                yield f"{path}:{number}: {folder} must not include {target}"
            for prefix in FORBIDDEN.get(inside.parts[0], []):
                if target.startswith(prefix):
                    yield f"{path}:{number}: {folder} must not know {target}"


def main():
    found = list(complaints(Path(sys.argv[1])))
    print("\n".join(found) or "every include keeps to its layer")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
