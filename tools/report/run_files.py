"""The files of a run, read with care: a malformed file is an error that names it."""

import json
import math
import re
from fractions import Fraction
from pathlib import Path


class RunError(Exception):
    """A file of a run is malformed or missing; the message names it."""


class Gone(RunError):
    """A file is not there, or not any more: a run that is under way removes stores, and --force removes results."""


def words_of(wrong):
    """The message of a RunError, or of a FileNotFoundError: a glob raises this where a folder is removed while it is listed."""
    return str(wrong) if isinstance(wrong, RunError) else f"{wrong.filename}: was removed while the run was read"


def read_json(path):
    """An object from a JSON file."""
    return _object(read_text(path), path, str(path))


def read_json_lines(path):
    """The objects of a JSON lines file; a last line still being written is left out."""
    return JsonLines(path).read()


class JsonLines:
    """A JSON lines file that is looked at again and again while it grows."""

    def __init__(self, path):
        self.path = Path(path)
        self._begin()

    def _begin(self):
        self.number, self._offset, self._last = 0, 0, b""  # of the lines that were read, and the last of them

    def read(self):
        """The objects of the lines since the last look; of all lines if the file was written anew. `number` is the number of the last
        line. A last line still being written is left out."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset - len(self._last))
                if file.read(len(self._last)) != self._last:
                    self._begin()
                    file.seek(0)
                text = file.read()
        except FileNotFoundError as wrong:
            raise Gone(f"{self.path}: cannot be read: {wrong}") from wrong
        except OSError as wrong:
            raise RunError(f"{self.path}: cannot be read: {wrong}") from wrong
        objects = []
        for line in text.split(b"\n")[:-1]:
            self._last = line + b"\n"
            self.number, self._offset = self.number + 1, self._offset + len(self._last)
            place = f"{self.path}: line {self.number}"
            try:
                objects.append(_object(line.decode("utf-8"), self.path, place))
            except UnicodeDecodeError as wrong:
                raise RunError(f"{place}: cannot be read: {wrong}") from wrong
        return objects


def read_text(path, errors="strict"):
    """The text of a UTF-8 file; `errors` as of open()."""
    try:
        return Path(path).read_text(encoding="utf-8", errors=errors)
    except FileNotFoundError as wrong:
        raise Gone(f"{path}: cannot be read: {wrong}") from wrong
    except (OSError, UnicodeDecodeError) as wrong:
        raise RunError(f"{path}: cannot be read: {wrong}") from wrong


def status_of(path):
    """Its os.stat_result; None if the file is gone."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _object(text, path, place):
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as wrong:
        where = (
            f"line {wrong.lineno}, column {wrong.colno}" if place == str(path) else f"column {wrong.colno}"
        )
        raise RunError(f"{place}: no JSON: {where}: {wrong.msg}") from wrong
    except ValueError as wrong:
        raise RunError(f"{place}: {wrong}") from wrong
    if not isinstance(value, dict):
        raise RunError(f"{place}: should hold an object, holds a {type(value).__name__}")
    return value


def _finite(text):
    """A number of a JSON file. JSON has no NaN and no infinity; bv's programs write null where a number is not finite."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def is_number(value):
    """Whether a value of a JSON file is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


# Scores that come together: where the first is known and not 0, the others are.
SCORES_WITH = {"second_best_total": ("second_best_exact", "second_best_f1", "total"), "NoAns_total": ("total",)}


def check_scores(metrics, path):
    """Scores are objects of numbers, `exact` and `f1` among them; those on held-out questions have such scores too."""
    _check_numbers(metrics, path, "")
    if metrics.get("held_out") is not None:
        if not isinstance(metrics["held_out"], dict):
            raise RunError(f"{path}: 'held_out' should be an object, is {metrics['held_out']!r}")
        _check_numbers(metrics["held_out"], path, "held_out.")


def _check_numbers(metrics, path, within):
    for name in ("official", "reference", "classification"):
        scores = metrics.get(name)
        if scores is None:
            continue
        if not isinstance(scores, dict):
            raise RunError(f"{path}: '{within}{name}' should be an object, is {scores!r}")
        needed = ["exact", "f1", *(key for known, keys in SCORES_WITH.items() if scores.get(known) for key in keys)]
        for key in (*needed, *scores):
            value = scores.get(key)
            if not is_number(value) and (value is not None or key in needed):
                raise RunError(f"{path}: '{within}{name}.{key}' should be a number, is {value!r}")


def divergence_in(metrics, path):
    """Where the training of a head diverged, as words; "" where it did not."""
    place = metrics.get("diverged")
    if place is None:
        return ""
    if not isinstance(place, dict) or not all(is_number(place.get(key)) for key in ("epoch", "step")):
        raise RunError(f"{path}: 'diverged' should be an object with numbers 'epoch' and 'step', is {place!r}")
    return f"diverged in epoch {place['epoch']}, by step {place['step']}"


def parameters_in(metrics, path):
    """The number of parameters, None where it is not said."""
    parameters = metrics.get("parameters")
    if parameters is not None and (not isinstance(parameters, int) or parameters < 1):
        raise RunError(f"{path}: 'parameters' should be a whole number, is {parameters!r}")
    return parameters


def epoch_in(fields, key, path):
    """The fraction of an epoch that a key holds."""
    value = fields.get(key)
    if not isinstance(value, str) or not re.fullmatch(r"\d+([./]\d+)?", value) or value.endswith("/0"):
        raise RunError(f"{path}: '{key}' should be a fraction of an epoch such as \"3/10\", is {value!r}")
    return Fraction(value)


def count_parameters(path):
    """Elements of all tensors, from the header of a safetensors file."""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, OverflowError, MemoryError) as wrong:
        raise RunError(f"{path}: no safetensors header: {wrong}") from wrong
