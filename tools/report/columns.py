"""What tables show of a result."""

SPAN_COLUMNS = [
    ("EM", "official", "exact"),
    ("F1", "official", "f1"),
    ("has-answer F1", "official", "HasAns_f1"),
    ("no-answer F1", "official", "NoAns_f1"),
    ("best EM", "official", "best_exact"),
    ("best F1", "official", "best_f1"),
    ("ref. EM", "reference", "exact"),
    ("ref. F1", "reference", "f1"),
]
CLASS_COLUMNS = [
    ("accuracy", "classification", "exact"),
    ("F1", "classification", "f1"),
    ("ref. accuracy", "classification", "reference_exact"),
    ("ref. F1", "classification", "reference_f1"),
]
COLUMNS = {"span": SPAN_COLUMNS, "classification": CLASS_COLUMNS}
MEANINGS = {
    "span": "Percent, by the official SQuAD 2.0 scorer. EM and F1 are of the answers as given; best EM and F1 are by the "
    "threshold on the no-answer score that is best on these questions; ref. is the reference work's scorer "
    "(wordpieces, no normalisation, no threshold).",
    "classification": "Percent of questions, positive class = no answer. A question's probability of no answer is the "
    "minimum over its windows; ref. is the reference work's rule, where one window's \"no answer\" decides.",
}


def percent(value):
    return f"{value:.2f}" if isinstance(value, (int, float)) else "–"


def count(value):
    return f"{value:,}" if isinstance(value, int) else "–"


def score_cells(result):
    return [percent((result.scores.get(group) or {}).get(key)) for _, group, key in COLUMNS[result.task]]
