"""How the official SQuAD 2.0 script evaluate-v2.0.py compares two answers."""

import collections
import re
import string


def normalized(text):
    """The script's normalize_answer, as words."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def f1(gold, predicted):
    """Of two lists of words."""
    common = sum((collections.Counter(gold) & collections.Counter(predicted)).values())
    if not gold or not predicted:
        return float(gold == predicted)
    return 2 * common / (len(gold) + len(predicted))


def verdict_on(answer, golds):
    """(EM, F1) of an answer, best over the texts of the gold answers; none: right is ""."""
    golds = [normalized(gold) for gold in golds if normalized(gold)] or [[]]
    words = normalized(answer)
    return float(words in golds), max(f1(gold, words) for gold in golds)
