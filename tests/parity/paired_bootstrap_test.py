"""bv_eval --compare and the report draw paragraphs each in its own code (src/squad/scoring/paired_bootstrap.cpp and
tools/report/significance.py): both say the same of the same two evaluations."""

import json
import re

import bv
import made_records
import numpy as np
import pytest
from question_records import read_records
from significance import FEWEST, RESAMPLES, RESOLVED, SAME, bootstrap
from system import parts_of


def span_columns(draw, context, right):
    """Answers of which about a share `right` is right, in some paragraphs more often than in others."""
    count = len(context)
    share = np.clip(right + draw.normal(0, 0.15, context.max() + 1), 0, 1)[context]
    exact = draw.random(count) < share
    f1 = np.where(exact, 1, draw.random(count) * 0.8 * (draw.random(count) < 0.5))
    return {"exact": exact, "f1": f1, "null_odds": draw.normal(-0.5, 1, count)}


def class_columns(draw, context, right, answerable):
    sure = np.where(draw.random(len(context)) < right, ~answerable, answerable)
    return {"none_probability": np.clip(0.5 + np.where(sure, 0.3, -0.3) + draw.normal(0, 0.1, len(context)), 0, 1)}


def write_records(path, columns, task):
    """The file with the fingerprint of its columns, which bv_eval tells when it refuses a file with another one."""
    made_records.write_records(path, columns, task, data="")
    (path.parent / "metrics.json").write_text("{}")
    refused = bv.run("bv_eval", "--compare", f"{path.parent},{path.parent}", check=False).stderr
    return made_records.write_records(path, columns, task, data=re.search("fingerprint of its columns is ([0-9a-f]+)", refused)[1])


def write_pair(folder, task, shares, paragraphs, seed):
    """Two evaluations of the same questions, one to six of them on each paragraph."""
    draw = np.random.default_rng(seed)
    context = np.repeat(np.arange(paragraphs), draw.integers(1, 7, paragraphs))
    answerable = draw.random(len(context)) < 0.6
    written = []
    for name, share in zip("ab", shares, strict=True):
        if task == "span":
            columns = made_records.span_columns(len(context), context=context, answerable=answerable, **span_columns(draw, context, share))
        else:
            own = class_columns(draw, context, share, answerable)
            columns = made_records.class_columns(len(context), context=context, answerable=answerable, **own)
        records = read_records(write_records(folder / name / "questions.safetensors", columns, task))
        scores = {"exact": 100 * float(records.correct().mean())}
        metrics = {"task": task, "official" if task == "span" else "classification": scores}
        (folder / name / "metrics.json").write_text(json.dumps(metrics))
        written.append(records)
    return written


def compare(folder):
    return json.loads(bv.run("bv_eval", "--compare", f"{folder / 'a'},{folder / 'b'}", "--json").stdout)


def difference_of(a, b, measure):
    """b - a as the report finds it."""
    systems = [{"1": parts_of(one, None, measure)} for one in (a, b)]
    return bootstrap(systems, a["context"]).difference(1, 0)


@pytest.mark.parametrize("task, shares, noise", [
    ("span", (0.50, 0.52), True), ("span", (0.50, 0.60), None), ("span", (0.30, 0.75), False),
    ("classification", (0.60, 0.62), True), ("classification", (0.60, 0.90), False),
])  # fmt: skip
def test_differences_intervals_and_p_values_agree_within_the_error_of_resampling(tmp_path, task, shares, noise):
    a, b = write_pair(tmp_path, task, shares, 80, seed=3)
    found = compare(tmp_path)
    for measure in ("exact", "f1"):
        theirs, ours = found[measure], difference_of(a, b, measure)
        assert theirs["difference"] == pytest.approx(ours.value, abs=1e-9)
        assert (theirs["low"], theirs["high"]) == pytest.approx((ours.low, ours.high), abs=0.04 * (ours.high - ours.low))
        # A p value is twice a share of the resamples. If this share is below RESOLVED, the report takes the tail of a normal
        # distribution.
        few = 2 * (RESOLVED + 1) / (RESAMPLES + 1)
        error = 2 * np.sqrt(2 * (ours.p / 2) * (1 - ours.p / 2) / RESAMPLES)
        assert theirs["p"] == pytest.approx(ours.p, abs=4 * error) or max(theirs["p"], ours.p) < 2 * few
        assert (ours.verdict == SAME) == (theirs["low"] <= 0 <= theirs["high"])
        assert noise is None or noise == (ours.verdict == SAME)


@pytest.mark.parametrize("paragraphs", [FEWEST - 1, FEWEST])
def test_both_refuse_a_verdict_below_the_same_number_of_paragraphs(tmp_path, paragraphs):
    a, b = write_pair(tmp_path, "span", (0.1, 0.9), paragraphs, seed=4)
    found = compare(tmp_path)
    refused = paragraphs < FEWEST
    assert found["contexts"] == paragraphs and found["exact"]["low"] > 0
    assert (f"{paragraphs} paragraphs are too few" in found["verdict"]) == refused
    assert (difference_of(a, b, "exact").verdict == SAME) == refused
    assert (found["exact"]["p"] is None) == (found["f1"]["p"] is None) == refused
