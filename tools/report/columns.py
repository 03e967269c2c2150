"""Columns of scores: the title, the object and the key of metrics.json they come from."""

from page_parts import Column

SPAN_SCORES = [
    ("EM", "official", "exact"),
    ("F1", "official", "f1"),
    ("has-answer F1", "official", "HasAns_f1"),
    ("no-answer F1", "official", "NoAns_f1"),
    ("best EM", "official", "best_exact"),
    ("best F1", "official", "best_f1"),
    ("ref. EM", "reference", "exact"),
    ("ref. F1", "reference", "f1"),
]
CLASS_SCORES = [
    ("accuracy", "classification", "exact"),
    ("F1", "classification", "f1"),
    ("ref. accuracy", "classification", "reference_exact"),
    ("ref. F1", "classification", "reference_f1"),
]
SCORES = {"span": SPAN_SCORES, "classification": CLASS_SCORES}
ABOUT = {
    "best EM": "with the threshold on the score of “none” that is best on these very questions",
    "best F1": "with the threshold on the score of “none” that is best on these very questions",
    "ref. EM": "by the scorer of the work of 2020: wordpieces, no normalisation, no threshold",
    "ref. F1": "by the scorer of the work of 2020: wordpieces, no normalisation, no threshold",
    "ref. accuracy": "by the rule of the work of 2020: one window's “no answer” decides",
}
MEANINGS = {
    "span": "Percent, by the official SQuAD 2.0 scorer. EM and F1 are of the answers as given; best EM and best F1 are by the "
    "threshold on the score of “none” that is best on these questions; ref. is the scorer of the work of 2020 (wordpieces, no "
    "normalisation, no threshold). After ± is the standard deviation over seeds.",
    "classification": "Percent of questions; F1 is of the class “no answer”. A question's probability of no answer is the "
    "smallest over its windows; ref. is the rule of the work of 2020, where one window's “no answer” decides. After ± is "
    "the standard deviation over seeds.",
}


def score_columns(task):
    return [Column(title, 2, ABOUT.get(title, "")) for title, _, _ in SCORES[task]]


def score_of(result, group, key):
    value = (result.scores.get(group) or {}).get(key)
    return value if isinstance(value, (int, float)) else None


def score_cells(result):
    """Cells of one result, or the spreads of a group."""
    cells = []
    for _, group, key in SCORES[result.task]:
        if hasattr(result, "results"):
            cells.append(result.of(lambda one, group=group, key=key: score_of(one, group, key)))
        else:
            cells.append(score_of(result, group, key))
    return cells
