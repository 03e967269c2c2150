"""tools/report/disagreements.py counts and lists where the two scorers disagree."""

import made_records
import numpy as np
from disagreements import MEANINGS, Disagreement, count_reasons, list_disagreements
from question_records import read_records
from question_texts import Answer, QuestionTexts

WORDS = made_records.REASONS.split(",")


def records_in(path):
    """Five questions over "The old mill": agreed; reversed; two by threshold; normalisation."""
    columns = made_records.span_columns(
        5,
        answerable=[1, 1, 1, 0, 1],
        null_odds=[-1, -1, 1, 1, -1],
        exact=[1, 1, 1, 0, 1],
        begin=[0, 4, 8, 0, 0],
        end=[12, 7, 12, 3, 12],
        reference_exact=[1, 0, 1, 0, 0],
        reference_begin=[0, -1, 8, 0, -2],
        reference_end=[12, -1, 12, 3, 12],
        reference_reversed=[0, 1, 0, 0, 0],
        disagreement=[WORDS.index(word) for word in ("none", "reversed", "threshold", "threshold", "normalisation")],
    )
    return read_records(made_records.write_records(path / "q.safetensors", columns))


def test_reasons_add_up_to_the_scorers_difference(tmp_path):
    records = records_in(tmp_path)
    found = {reason.word: reason for reason in count_reasons(records)}
    assert list(found) == list(MEANINGS) == WORDS[1:]
    assert [found[word].questions for word in ("reversed", "threshold", "normalisation", "span")] == [1, 2, 1, 0]
    assert (found["threshold"].official_right, found["threshold"].reference_right) == (1, 1)
    assert found["reversed"].points == 20
    difference = 100 * (records.correct().mean() - records["reference_exact"].mean())
    assert sum(reason.points for reason in found.values()) == difference == 40


def test_every_disagreement_is_listed_with_both_answers(tmp_path):
    records = records_in(tmp_path)
    golds = [[Answer("mill", 8), Answer("old mill", 4), Answer("mill", 8)] if answerable else [] for answerable in records["answerable"]]
    texts = QuestionTexts(tmp_path, "", list(records.ids), ["?"] * 5, ["The old mill"], np.zeros(5, np.int64), golds, np.array([3]))
    gold = ["mill", "old mill"]
    assert list_disagreements(records, texts) == [
        Disagreement("question-1", 1, "reversed", True, "old", "", gold),
        Disagreement("question-2", 2, "threshold", False, "", "mill", gold),
        Disagreement("question-3", 3, "threshold", True, "", "The", []),
        Disagreement("question-4", 4, "normalisation", True, "The old mill", None, gold),
    ]
