"""Small files of records of questions, made by hand."""

import sys

import bv
import numpy as np
from safetensors.numpy import save_file

for folder in ("bench", "report"):
    sys.path.insert(0, str(bv.SOURCE / "tools" / folder))

REASONS = "none,reversed,threshold,gold,normalisation,window,span"
FLAGS = ("answerable", "reference_reversed", "reference_none", "disagreement")


def id_column(ids):
    """Ids as the column of a file: uint8 (Q, W), UTF-8 padded by zero bytes."""
    column = np.array([id.encode() for id in ids])
    return column.view(np.uint8).reshape(len(ids), -1)


def span_columns(count, **given):
    """All columns of the span task for so many questions: `given`, and plain values for the rest."""
    columns = {name: np.zeros(count, np.int32) for name in ("context", "window", "reference_window")}
    for prefix in ("", "second_", "reference_", "reference_second_"):
        columns[f"{prefix}exact"] = np.zeros(count, np.uint8)
        columns[f"{prefix}f1"] = np.zeros(count, np.float32)
    for prefix in ("", "second_", "reference_"):
        columns[f"{prefix}begin"] = np.zeros(count, np.int32)
        columns[f"{prefix}end"] = np.ones(count, np.int32)
    for name in ("span_score", "none_score", "null_odds", "span_probability", "none_probability", "second_score"):
        columns[name] = np.zeros(count, np.float32)
    columns |= {name: np.zeros(count, np.uint8) for name in ("answerable", "reference_reversed", "disagreement")}
    return _with(columns, given)


def class_columns(count, **given):
    """The same of the classification task."""
    columns = {name: np.zeros(count, np.int32) for name in ("context", "window")}
    columns |= {name: np.zeros(count, np.uint8) for name in ("answerable", "reference_none")}
    columns["none_probability"] = np.zeros(count, np.float32)
    return _with(columns, given)


def _with(columns, given):
    """A column that is given as None is left out."""
    columns["id"] = id_column([f"question-{i}" for i in range(len(columns["context"]))])
    for name, values in given.items():
        if values is None:
            del columns[name]
        elif name == "id":
            columns[name] = id_column(values)
        else:
            columns[name] = np.asarray(values, columns[name].dtype)
    return columns


def write_records(path, columns, task="span", **about):
    """Writes the file; `about` are further metadata."""
    metadata = {"task": task, "features": "f" * 32, "version": "1"}
    if task == "span":
        metadata |= {"null_threshold": "0", "disagreements": REASONS}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(column) for name, column in columns.items()}, path, metadata | about)
    return path
