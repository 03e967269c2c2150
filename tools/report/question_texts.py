"""Reads the text of questions from a features file or a store: the group /features (src/squad/features/README.md)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from run_files import RunError

SCHEMA, VERSIONS = "bertvision-features", (1, 2)


@dataclass(frozen=True)
class Answer:
    """A gold answer; `begin` is its first character (code point) in the context."""

    text: str
    begin: int


@dataclass(frozen=True, eq=False)
class QuestionTexts:
    """The N questions and C contexts of features, in the features' order."""

    path: Path
    fingerprint: str  # of the features
    ids: list[str]  # (N)
    questions: list[str]  # (N)
    contexts: list[str]  # (C)
    context_of: np.ndarray  # (N) int64, index of each question's context
    answers: list[list[Answer]]  # (N); empty where the question has no answer
    context_pieces: np.ndarray  # (C) int64, wordpieces of the whole context; 0 where no question of it has features

    @cached_property
    def place_of(self):
        """The index of each question by its id."""
        return {id: place for place, id in enumerate(self.ids)}

    def places(self, ids):
        """(Q) int64: where the questions of records stand here. Throws RunError naming an id that is not here."""
        unknown = next((id for id in ids if id not in self.place_of), None)
        if unknown is not None:
            raise RunError(f"{self.path}: has no question {str(unknown)!r}")
        return np.array([self.place_of[id] for id in ids], np.int64)

    def span(self, place, begin, end):
        """The characters [begin, end) of the context of question `place`, "" where `begin` is negative ("none")."""
        return self.contexts[self.context_of[place]][begin:end] if begin >= 0 else ""


def read_texts(path, fingerprint=None):
    """The texts of a features file or store. If `fingerprint` is given, the features must have it. Throws RunError that names the file
    if it cannot be read, is no features file, or has other features."""
    try:
        with h5py.File(path) as file:
            if "features" not in file:
                raise RunError(f"{path}: has no group 'features'; expected a features file or a store")
            return _read(Path(path), file["features"], fingerprint)
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as wrong:
        raise RunError(f"{path}: cannot be read as a features file: {wrong}") from wrong


def find_features(folder, fingerprint, named=()):
    """The features file of a run that has this fingerprint: a file that the run's metrics name, or a file in RUN/features, because a
    run may have been moved. None if there is no such file."""
    for path in [*map(Path, named), *sorted(Path(folder).glob("features/*.h5"))]:
        try:
            with h5py.File(path) as file:
                if "features" in file and _attribute(file["features"], "fingerprint") == fingerprint:
                    return path
        except (OSError, KeyError):
            continue
    return None


def _read(path, table, fingerprint):
    schema, version = _attribute(table, "schema"), int(table.attrs["version"])
    if schema != SCHEMA or version not in VERSIONS:
        raise RunError(f"{path}: its features have schema {schema} version {version}, expected {SCHEMA} version 1 or 2")
    own = _attribute(table, "fingerprint")
    if fingerprint is not None and own != fingerprint:
        raise RunError(f"{path}: holds features {own}, expected {fingerprint}")
    group = table["questions"]
    ids, contexts = _strings(group["id"]), _strings(table["contexts"])
    context_of = group["context"][:].astype(np.int64)
    starts, places = group["answer_starts"][:], group["answer_place"][:]
    texts = _strings(group["answer_text"])
    questions = _strings(group["text"])
    if not (len(ids) == len(questions) == len(context_of) == len(starts) - 1 and len(texts) == len(places) == starts[-1]):
        raise RunError(f"{path}: its columns of questions differ in length")
    if len(context_of) and (context_of.min() < 0 or context_of.max() >= len(contexts)):
        raise RunError(f"{path}: a question names a context that is not there")
    answers = [[Answer(texts[i], int(places[i])) for i in range(starts[q], starts[q + 1])] for q in range(len(ids))]
    return QuestionTexts(path, own, ids, questions, contexts, context_of, answers, _pieces(table, context_of, len(contexts)))


def _pieces(table, context_of, count):
    """The wordpieces of each context: the furthest that one of its windows reaches."""
    starts, begins = table["starts"][:], table["char_begin"][:]
    inside = np.concatenate([[0], np.cumsum(begins >= 0)])
    reach = table["context_token"][:].astype(np.int64) + inside[starts[1:]] - inside[starts[:-1]]
    pieces = np.zeros(count, np.int64)
    np.maximum.at(pieces, context_of[table["question_of"][:]], reach)
    return pieces


def _attribute(table, name):
    value = table.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def _strings(group):
    starts, data = group["starts"][:], group["bytes"][:].tobytes()
    return [data[begin:end].decode() for begin, end in zip(starts[:-1], starts[1:])]
