"""Made-up questions for a made-up run: our own corpus, possible answers of each question with their verdicts, and a features
file with the columns that the report reads. Its fingerprints are not those of its content: programs refuse it."""

import hashlib
import random
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from official_script import f1, normalized

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from make_corpus import make_split

WINDOW, STRIDE = 250, 128  # in words: longer contexts have several windows
EXACT, NEAR = (0, 1), (2, 3)  # the columns of possible answers that are right, and that hold part of a right one
ANSWERS = 8


@dataclass(frozen=True, eq=False)
class MadeQuestions:
    """Q questions, each with K possible answers, spans of its context."""

    fingerprint: str
    split: dict  # in SQuAD's form
    contexts: list[str]
    questions: list[dict]  # (Q) in SQuAD's form
    context: np.ndarray  # (Q) int32
    answerable: np.ndarray  # (Q) bool
    first_window: np.ndarray  # (Q) int32, its index among the features
    windows: np.ndarray  # (Q) how many
    begin: np.ndarray  # (Q, K) int32, characters in the context
    end: np.ndarray  # (Q, K) int32
    words: np.ndarray  # (Q, K): equal where the official script sees the same words
    exact: np.ndarray  # (Q, K) bool, and f1: verdicts of the official script
    f1: np.ndarray  # (Q, K)
    reference_exact: np.ndarray  # (Q, K) bool, and reference_f1: with whole words in place of wordpieces
    reference_f1: np.ndarray  # (Q, K)


def pieces(text):
    """Words and marks, lower-case: what stands for wordpieces."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def make_questions(count, seed=0):
    """So many questions about invented things, from tools/make_corpus.py."""
    split = make_split(seed, "dev", count, 32)
    paragraphs = [paragraph for article in split["data"] for paragraph in article["paragraphs"]]
    contexts = [paragraph["context"] for paragraph in paragraphs]
    questions = [question for paragraph in paragraphs for question in paragraph["qas"]]
    context = np.repeat(np.arange(len(paragraphs), dtype=np.int32), [len(one["qas"]) for one in paragraphs])
    windows = np.array([len(window_starts(text)) for text in contexts])[context]
    words = [[match.span() for match in re.finditer(r"\S+", text)] for text in contexts]
    chance = random.Random(seed)
    spans = [_spans(question, words[c], contexts[c], chance) for question, c in zip(questions, context)]
    texts = [[contexts[c][begin:end] for begin, end in own] for own, c in zip(spans, context)]
    official = [_verdicts(own, question, normalized) for own, question in zip(texts, questions)]
    reference = [_verdicts(own, question, pieces) for own, question in zip(texts, questions)]
    number_of = {}
    numbers = [[number_of.setdefault(tuple(normalized(text)), len(number_of)) for text in own] for own in texts]
    begin_end = np.array(spans, np.int32)
    return MadeQuestions(
        hashlib.md5(f"{count} {seed}".encode()).hexdigest(), split, contexts, questions, context,
        np.array([bool(question["answers"]) for question in questions]),
        np.concatenate([[0], np.cumsum(windows)[:-1]]).astype(np.int32), windows,
        begin_end[:, :, 0], begin_end[:, :, 1], np.array(numbers),
        *(np.array([[verdict[place] for verdict in own] for own in verdicts]).astype(kind)
          for verdicts in (official, reference) for place, kind in ((0, bool), (1, np.float64))),
    )


def _spans(question, words, context, chance):
    """ANSWERS spans (begin, end) of a context with words at these places."""
    def around(begin, end, before, after):
        first = max(0, sum(word_end <= begin for _, word_end in words) - before)
        last = min(len(words) - 1, sum(word_begin < end for word_begin, _ in words) - 1 + after)
        return words[first][0], words[last][1]

    others = []
    while len(others) < ANSWERS - 4:
        first = chance.randrange(len(words))
        last = min(len(words) - 1, first + chance.randrange(4))
        others.append((words[first][0], words[last][1]))
    if not question["answers"]:
        return [*others, *(others[::-1])]
    golds = [(answer["answer_start"], answer["answer_start"] + len(answer["text"])) for answer in question["answers"][:2]]
    narrow, wide = golds[0], golds[-1]
    return [narrow, wide, around(*wide, 0, 2), around(*wide, 2, 0), *others]


def _verdicts(texts, question, words_of):
    golds = [words_of(answer["text"]) for answer in question["answers"]] or [[]]
    return [(words_of(text) in golds, max(f1(gold, words_of(text)) for gold in golds)) for text in texts]


def window_starts(context):
    """The first word of each window of a context."""
    count = len(context.split())
    return list(range(0, max(1, count - WINDOW + STRIDE), STRIDE))


def write_features(path, made):
    """The columns of a features file that the report reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    starts, begins, first_words, question_of = [0], [], [], []
    words = [[match.start() for match in re.finditer(r"\S+", text)] for text in made.contexts]
    for q, context in enumerate(made.context):
        for first in window_starts(made.contexts[context]):
            begins += [-1, *words[context][first : first + WINDOW], -1]
            starts.append(len(begins))
            first_words.append(first)
            question_of.append(q)
    answers = [answer for question in made.questions for answer in question["answers"]]
    with h5py.File(path, "w") as file:
        table = file.create_group("features")
        table.attrs.update(schema="bertvision-features", version=2, fingerprint=made.fingerprint, labelled=1)
        for name, column in (("starts", np.array(starts)), ("char_begin", np.array(begins, np.int32)),
                             ("context_token", np.array(first_words, np.int32)), ("question_of", np.array(question_of))):
            table[name] = column
        _write_strings(table, "contexts", made.contexts)
        group = table.create_group("questions")
        _write_strings(group, "id", [question["id"] for question in made.questions])
        _write_strings(group, "text", [question["question"] for question in made.questions])
        group["context"] = made.context.astype(np.int64)
        group["impossible"] = (~made.answerable).astype(np.uint8)
        group["answer_starts"] = np.cumsum([0, *(len(question["answers"]) for question in made.questions)])
        _write_strings(group, "answer_text", [answer["text"] for answer in answers])
        group["answer_place"] = np.array([answer["answer_start"] for answer in answers], np.int64)


def _write_strings(group, name, texts):
    data = [text.encode() for text in texts]
    strings = group.create_group(name)
    strings["starts"] = np.cumsum([0, *map(len, data)])
    strings["bytes"] = np.frombuffer(b"".join(data), np.uint8)
