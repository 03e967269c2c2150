#!/usr/bin/env python3
"""The 20 best answers of every question and their official scores in Python, as Hugging Face's run_qa
(postprocess_qa_predictions) and evaluate-v2.0.py do it. Prints JSON: questions, EM, F1, seconds of processor time."""
import argparse
import collections
import json
import re
import string
import time
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import load_file

N_BEST, MAX_TOKENS = 20, 30


def strings(group):
    starts, text = group["starts"][:], bytes(group["bytes"][:])
    return [text[a:b].decode() for a, b in zip(starts, starts[1:])]


def read(features, logits, squad, limit):
    """[(context, gold answers, windows)]: a window is (start logits, end logits, offsets, tokens of maximum context)."""
    with h5py.File(features) as file:
        table = file["features"]
        starts = table["starts"][:]
        begin, end, best, question_of = (table[name][:] for name in ("char_begin", "char_end", "max_context", "question_of"))
        ids, contexts, context_of = strings(table["questions/id"]), strings(table["contexts"]), table["questions/context"][:]
    golds = {question["id"]: [answer["text"] for answer in question["answers"]]
             for article in json.loads(squad.read_text(encoding="utf-8"))["data"]
             for paragraph in article["paragraphs"] for question in paragraph["qas"]}
    values = load_file(logits)
    windows = collections.defaultdict(list)
    for f, (a, b) in enumerate(zip(starts, starts[1:])):
        if question_of[f] >= limit:
            break
        offsets = [None if x < 0 else (x, y) for x, y in zip(begin[a:b].tolist(), end[a:b].tolist())]
        windows[question_of[f]].append((values["start"][a:b], values["end"][a:b], offsets, best[a:b].tolist()))
    return [(contexts[context_of[q]], golds[ids[q]], own) for q, own in windows.items()]


def answer(context, windows):
    """(text of the best span, null odds), by way of all n-best answers and their probabilities."""
    none, found = None, []
    for start_logits, end_logits, offsets, maximum in windows:
        score = start_logits[0] + end_logits[0]
        if none is None or score < none["score"]:
            none = {"score": score, "start_logit": start_logits[0], "end_logit": end_logits[0], "offsets": (0, 0)}
        starts = np.argsort(start_logits)[-1:-N_BEST - 1:-1].tolist()
        ends = np.argsort(end_logits)[-1:-N_BEST - 1:-1].tolist()
        for start in starts:
            for end in ends:
                if offsets[start] is None or offsets[end] is None:
                    continue
                if end < start or end - start + 1 > MAX_TOKENS or not maximum[start]:
                    continue
                found.append({"offsets": (offsets[start][0], offsets[end][1]), "score": start_logits[start] + end_logits[end],
                              "start_logit": start_logits[start], "end_logit": end_logits[end]})
    best = sorted([*found, none], key=lambda one: one["score"], reverse=True)[:N_BEST]
    if not any(one["offsets"] == (0, 0) for one in best):
        best.append(none)
    for one in best:
        a, b = one.pop("offsets")
        one["text"] = context[a:b]
    if len(best) == 1 and best[0]["text"] == "":
        best.insert(0, {"text": "empty", "start_logit": 0.0, "end_logit": 0.0, "score": 0.0})
    scores = np.array([one["score"] for one in best])
    exponentials = np.exp(scores - np.max(scores))
    for one, probability in zip(best, exponentials / exponentials.sum()):
        one["probability"] = probability
    span = next(one for one in best if one["text"])
    return span["text"], none["score"] - span["start_logit"] - span["end_logit"]


def normalized(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def f1(gold, predicted):
    gold, predicted = normalized(gold), normalized(predicted)
    common = sum((collections.Counter(gold) & collections.Counter(predicted)).values())
    if not gold or not predicted:
        return float(gold == predicted)
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--logits", type=Path, required=True)
    parser.add_argument("--squad", type=Path, required=True, help="SQuAD file of the features")
    parser.add_argument("--questions", type=int, default=1 << 62, help="take the first ones alone [all]")
    options = parser.parse_args()
    questions = read(options.features, options.logits, options.squad, options.questions)
    began = time.process_time()
    exact, total = [], []
    for context, golds, windows in questions:
        text, odds = answer(context, windows)
        text = "" if odds > 0 else text
        golds = [gold for gold in golds if normalized(gold)] or [""]
        exact.append(max(int(normalized(gold) == normalized(text)) for gold in golds))
        total.append(max(f1(gold, text) for gold in golds))
    seconds = time.process_time() - began
    print(json.dumps(dict(questions=len(questions), cpu_seconds=seconds, exact=100 * sum(exact) / len(exact),
                          f1=100 * sum(total) / len(total))))


if __name__ == "__main__":
    main()
