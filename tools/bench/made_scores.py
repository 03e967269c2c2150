"""The scores of metrics.json as sums over a file of records; keys and meanings are those of bv_eval, in percent."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))
from question_records import read_records
from thresholds import average_precision, best


def scores_of(path):
    """The objects `official` and `reference`, or `classification`, of the records in a file."""
    records = read_records(path)
    if records.task == "classification":
        return {"classification": _classification(records)}
    return {"official": _official(records), "reference": _reference(records)}


def _grouped(exact, f1, answerable):
    """exact, f1 and total of all questions, then of those with and those without an answer."""
    scores = {}
    for prefix, chosen in (("", np.ones(len(exact), bool)), ("HasAns_", answerable), ("NoAns_", ~answerable)):
        if chosen.any():
            scores |= {f"{prefix}exact": 100 * float(exact[chosen].mean()), f"{prefix}f1": 100 * float(f1[chosen].mean()),
                       f"{prefix}total": int(chosen.sum())}
    return scores


def _official(records):
    answerable, odds = records["answerable"], records.null_odds
    scores = _grouped(records.correct(), records.f1(), answerable)
    for name in ("exact", "f1"):
        threshold, score = best(odds, records[name], answerable)
        scores |= {f"best_{name}": 100 * score, f"best_{name}_thresh": threshold if np.isfinite(threshold) else 0.0}
    for name, right in (("exact", records["exact"]), ("f1", records["f1"]), ("oracle", np.ones(len(records)))):
        scores[f"pr_{name}_ap"] = 100 * average_precision(odds, right, answerable)
    return scores


def _reference(records):
    exact = records["reference_exact"]
    scores = _grouped(exact, records["reference_f1"].astype(np.float64), records["answerable"])
    if not exact.all():
        scores |= {f"second_best_{name}": 100 * float(records[f"reference_second_{name}"][~exact].mean()) for name in ("exact", "f1")}
    return scores | {"second_best_total": int((~exact).sum())}


def _classification(records):
    answerable = records["answerable"]
    f1, denominators = records.f1_parts()
    reference = records["reference_none"]
    reference_f1 = 2 * (reference & ~answerable).sum() / max(1, reference.sum() + (~answerable).sum())
    return {
        "exact": 100 * float(records.correct().mean()),
        "f1": 100 * float(f1.sum() / max(1.0, denominators.sum())),
        "reference_exact": 100 * float((reference != answerable).mean()),
        "reference_f1": 100 * float(reference_f1),
        "majority_exact": 100 * float(max(answerable.mean(), 1 - answerable.mean())),
        "total": len(records),
    }
