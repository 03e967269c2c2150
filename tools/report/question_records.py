"""Reads questions.safetensors: the findings of one evaluation of a model for each question.

bv_eval and bv_train write such a file beside each metrics.json (src/squad/scoring/question_records.hpp says what its columns
mean). Q is the number of questions, in the order of the features.
"""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from run_files import RunError
from safetensors import SafetensorError, safe_open

NAME = "questions.safetensors"
VERSION = "1"
CLASSIFICATION_THRESHOLD = 0.5  # on the probability of "none"

# Columns that must be there, by task; columns of LABELLED only if the features have gold answers (then there is "answerable").
NUMBERS = {
    "span": (
        ["context", "window", "begin", "end", "second_begin", "second_end"]
        + ["reference_window", "reference_begin", "reference_end", "reference_reversed"]
        + ["span_score", "none_score", "null_odds", "span_probability", "none_probability", "second_score"]
    ),
    "classification": ["context", "window", "none_probability", "reference_none"],
}
SCORERS = ("", "second_", "reference_", "reference_second_")  # prefixes of verdicts
LABELLED = {
    "span": ["answerable", "disagreement", *(prefix + score for prefix in SCORERS for score in ("exact", "f1"))],
    "classification": ["answerable"],
}
WHOLE = ("context", "window", "begin", "end", "second_begin", "second_end", "reference_window", "reference_begin", "reference_end")
FLAGS = ("answerable", "reference_reversed", "reference_none", *(prefix + "exact" for prefix in SCORERS))


@dataclass(frozen=True, eq=False)
class QuestionRecords:
    """The records of one system on one set of questions. Scores of questions are from 0 to 1, not percent."""

    path: object  # of the file
    task: str  # span or classification
    features: str  # fingerprint of the features
    null_threshold: float  # that the answers as given were chosen with
    reasons: list[str]  # words for the values of column "disagreement"; the first is "none": the scorers agree
    ids: np.ndarray  # (Q) text
    columns: dict[str, np.ndarray]  # (Q) each, by name; flags as bool, the rest as in the file

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, name):
        """A column by its name. Throws RunError that names file and column where it is absent."""
        if name not in self.columns:
            why = "" if self.labelled else ": the features have no labels"
            raise RunError(f"{self.path}: has no column '{name}'{why}")
        return self.columns[name]

    @property
    def labelled(self):
        """Whether the questions have gold answers, and so the records have verdicts."""
        return "answerable" in self.columns

    @cached_property
    def null_odds(self):
        """(Q) float32, the evidence for "none", which is compared with a threshold. For span: the score of "none" minus the score of
        the best span (a difference of logits). For classification: the probability of "none"."""
        return self["null_odds"] if self.task == "span" else self["none_probability"]

    def says_none(self, threshold=None):
        """(Q) bool: whether the answer is "none" at this threshold on `null_odds`; by default as given."""
        # In float64: numpy would round a threshold to float32 and so turn questions over that are as near as that.
        return self.null_odds.astype(np.float64) > (self.null_threshold if threshold is None else threshold)

    def correct(self, threshold=None):
        """(Q) bool: whether the answer is right (official exact match; in classification the right class)."""
        none = self.says_none(threshold)
        return none == ~self["answerable"] if self.task == "classification" else np.where(none, ~self["answerable"], self["exact"])

    def f1(self, threshold=None):
        """(Q) float64 from 0 to 1: official F1 of the answer. Span only: in classification a question has no F1 of its own;
        see `f1_parts`."""
        if self.task != "span":
            raise ValueError("the F1 of classification is not a mean over questions: use f1_parts")
        return np.where(self.says_none(threshold), ~self["answerable"], self["f1"].astype(np.float64))

    def f1_parts(self, threshold=None):
        """Numerators and denominators, (Q) float64 each: the F1 of any group of questions is the ratio of their sums. For
        span it is the mean of `f1`; for classification 2 TP / (2 TP + FP + FN), where "none" is positive."""
        if self.task == "span":
            return self.f1(threshold), np.ones(len(self))
        none, impossible = self.says_none(threshold), ~self["answerable"]
        return 2.0 * (none & impossible), none.astype(np.float64) + impossible


def read_records(path, features=None):
    """The records of a file. Where `features` is given, it is the fingerprint of the features that they must belong to.
    Throws RunError naming the file where it is cut short, lacks a column, has one of another type or shape, holds a NaN, or
    belongs to other features. Columns that are none of these are left out."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dictionary
    except (OSError, SafetensorError, ValueError, TypeError) as wrong:
        raise RunError(f"{path}: cannot be read as safetensors: {wrong}") from wrong
    _check_about(path, about, features)
    ids = _ids(path, columns.pop("id", None))
    task = about["task"]
    wanted = [*NUMBERS[task], *(LABELLED[task] if "answerable" in columns else [])]
    columns = {name: _checked(path, name, columns.get(name), ids) for name in wanted}
    reasons = about.get("disagreements", "none").split(",")
    if task == "span" and "disagreement" in columns and columns["disagreement"].max(initial=0) >= len(reasons):
        raise RunError(f"{path}: column 'disagreement' holds {columns['disagreement'].max()}, but its metadata name "
                       f"{len(reasons)} reasons")
    return QuestionRecords(path, task, about["features"], _threshold(path, about), reasons, ids, columns)


def _check_about(path, about, features):
    for key in ("task", "features", "version"):
        if key not in about:
            raise RunError(f"{path}: holds no records of questions: its metadata has no '{key}'")
    if about["version"] != VERSION:
        raise RunError(f"{path}: holds records of version {about['version']}, expected {VERSION}")
    if about["task"] not in NUMBERS:
        raise RunError(f"{path}: holds records of task '{about['task']}', expected one of {', '.join(NUMBERS)}")
    if features is not None and about["features"] != features:
        raise RunError(f"{path}: belongs to features {about['features']}, expected {features}")


def _threshold(path, about):
    if about["task"] == "classification":
        return CLASSIFICATION_THRESHOLD
    try:
        return float(json.loads(about["null_threshold"]))
    except (KeyError, ValueError, TypeError) as wrong:
        raise RunError(f"{path}: its metadata's 'null_threshold' should be a number, is {about.get('null_threshold')!r}") from wrong


def _ids(path, column):
    if column is None:
        raise RunError(f"{path}: has no column 'id'")
    if column.dtype != np.uint8 or column.ndim != 2 or column.shape[1] == 0:
        raise RunError(f"{path}: column 'id' should be uint8 with two dimensions, is {column.dtype} {column.shape}")
    try:
        ids, twice = _decoded(column.tobytes(), column.shape[1])
    except UnicodeDecodeError as wrong:
        raise RunError(f"{path}: column 'id' is no UTF-8: {wrong}") from wrong
    if twice is not None:
        raise RunError(f"{path}: column 'id' holds {twice!r} twice")
    return ids


@lru_cache(maxsize=4)
def _decoded(data, width):
    """The ids, and one that occurs twice, or None. The systems of a run share one array."""
    ids = np.char.decode(np.frombuffer(data, f"S{width}"), "utf-8")
    ids.flags.writeable = False
    values, counts = np.unique(ids, return_counts=True)
    return ids, str(values[counts > 1][0]) if (counts > 1).any() else None


def _type_of(name):
    """The type of a column in the file, as in src/squad/scoring/question_records.hpp."""
    if name in WHOLE:
        return np.int32
    return np.uint8 if name in FLAGS or name == "disagreement" else np.float32


def _checked(path, name, column, ids):
    """A column that is as it should be; flags as bool."""
    if column is None:
        raise RunError(f"{path}: has no column '{name}'")
    if column.dtype != _type_of(name):
        raise RunError(f"{path}: column '{name}' is {column.dtype}, expected {np.dtype(_type_of(name))}")
    if column.shape != ids.shape:
        raise RunError(f"{path}: column '{name}' has the shape {column.shape}, expected {ids.shape}: one value a question")
    bad = ~np.isfinite(column)
    if name.endswith(("f1", "_probability")):
        bad |= ~((column >= 0) & (column <= 1.000001))
    elif name in FLAGS:
        bad |= column > 1
    if bad.any():
        place = int(np.argmax(bad))
        raise RunError(f"{path}: column '{name}' holds {column[place]} for question {str(ids[place])!r}")
    return column.astype(bool) if name in FLAGS else column
