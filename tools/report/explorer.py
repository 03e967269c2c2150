"""The data of the explorer of learning history, packed for the page: the answer of each system to each question.

Q questions, S systems. Spans of characters that any system answered are listed once a question; a system's answer is its
number in that list. Arrays are written question by question: the systems' answers to one question are much alike, and so take
little room. Arrays are compressed together (zlib) and written in base64; templates/data.js unpacks them.
"""

import base64
import json
import zlib

import numpy as np

SHARES = 100  # probabilities are whole percents


def packed(data):
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def packed_json(value):
    return packed(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())


def pack_arrays(arrays):
    """(The place of each array, the packed bytes). The widest elements come first, so that every array starts at a multiple of its
    element's size."""
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    places, offset = [], 0
    for name, array in ordered:
        places.append([name, array.dtype.name, offset, int(array.size)])
        offset += array.nbytes
    little = (np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False) for _, array in ordered)
    return places, packed(b"".join(array.tobytes() for array in little))


def texts_of(texts, ids):
    """Questions, contexts and gold answers of the questions `ids`, packed; they are on the page once, whatever the tasks."""
    places = texts.places(ids)
    used = sorted({int(texts.context_of[place]) for place in places})
    number = {context: new for new, context in enumerate(used)}
    return packed_json(
        {
            "ids": [str(id) for id in ids],
            "questions": [texts.questions[place] for place in places],
            "contexts": [texts.contexts[context] for context in used],
            "context_of": [number[int(texts.context_of[place])] for place in places],
            "answers": [[[answer.begin, answer.text] for answer in texts.answers[place]] for place in places],
        }
    )


def shares_of(probabilities):
    """(S, Q) probabilities as (Q, S) whole numbers."""
    return np.rint(np.asarray(probabilities, np.float64) * SHARES).astype(np.uint8).T


def bits_of(flags):
    """(S, Q) bool as (Q, bytes): a bit a system, the lowest first, each question's in whole bytes."""
    return np.packbits(np.asarray(flags, bool).T, axis=1, bitorder="little")


def candidates_of(spans):
    """(S, Q, 2) spans, -1 for none, to: starts (Q + 1) of each question's list, the list (N, 2), and (S, Q) the number of each
    span in its question's list, -1 for none."""
    systems, questions, _ = spans.shape
    begin, end = spans[..., 0].astype(np.int64), spans[..., 1].astype(np.int64)
    wide = int(max(end.max(initial=0), 0)) + 1
    key = (np.arange(questions) * wide + np.maximum(begin, 0)) * wide + np.maximum(end, 0)
    given = begin >= 0
    unique, inverse = np.unique(key[given], return_inverse=True)
    question, rest = np.divmod(unique, wide * wide)
    starts = np.searchsorted(question, np.arange(questions + 1))
    numbers = np.full((systems, questions), -1, np.int64)
    numbers[given] = inverse
    numbers -= np.where(given, starts[:-1], 0)
    return starts, np.stack(np.divmod(rest, wide), axis=1), numbers


def explorer_of(task, seed, systems):
    """The packed object of a task and seed; the records of `systems` are of the same questions."""
    records = [one.records for one in systems]
    first, arrays = records[0], {}
    if first.labelled:
        arrays["answerable"] = np.packbits(first["answerable"], bitorder="little")
    arrays["none"] = bits_of([one.records.says_none(one.threshold) for one in systems])
    arrays["none_share"] = shares_of([one["none_probability"] for one in records])
    if first.labelled:
        arrays["right"] = bits_of([one.records.correct(one.threshold) for one in systems])
    if task == "span":
        spans = [np.stack([one["begin"], one["end"]], 1) for one in records]
        spans += [np.stack([one["reference_begin"], one["reference_end"]], 1) for one in records]
        starts, listed, numbers = candidates_of(np.stack(spans))
        wide = np.uint8 if numbers.max(initial=0) < 255 else np.uint16
        arrays["span_starts"], arrays["spans"] = starts.astype(np.uint32), listed.astype(np.uint32)
        numbers = np.where(numbers < 0, np.iinfo(wide).max, numbers).astype(wide)
        arrays["span"], arrays["reference_span"] = numbers[: len(records)].T, numbers[len(records) :].T
        arrays["span_share"] = shares_of([one["span_probability"] for one in records])
        if first.labelled:
            arrays["reference_right"] = bits_of([one["reference_exact"] for one in records])
    else:
        arrays["reference_none"] = bits_of([one["reference_none"] for one in records])
    places, data = pack_arrays(arrays)
    return {
        "task": task,
        "seed": seed,
        "features": first.features,
        "count": len(first),
        "labelled": first.labelled,
        "shares": SHARES,
        "systems": [{"name": one.name, "epoch": one.epoch, "bert": one.bert} for one in systems],
        "arrays": places,
        "data": data,
    }
