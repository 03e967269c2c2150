"""tools/report/history.py against hand computations."""

import made_records  # noqa: F401  finds tools/report
import numpy as np
import pytest
from history import AFTERWARDS, ALWAYS, FATES, FORGOTTEN, LEARNED, NEVER, history_of, learning_order, order_agreement, separating_words
from scipy.stats import spearmanr

# Six questions over four checkpoints.
RIGHT = np.array([[1, 1, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0]], bool).T


def test_what_became_of_each_question():
    found = history_of(RIGHT)
    assert found.fate.tolist() == [ALWAYS, LEARNED, LEARNED, FORGOTTEN, NEVER, FORGOTTEN]
    assert [found.count(fate) for fate in range(len(FATES))] == [1, 2, 2, 1]
    assert found.forgetting_events.tolist() == [0, 0, 1, 2, 0, 1]
    assert found.first_right.tolist() == [0, 2, 1, 0, -1, 1]
    assert found.right_from.tolist() == [0, 2, 3, -1, -1, -1]


def test_events_of_each_checkpoint_explain_how_many_are_right():
    found = history_of(RIGHT)
    assert found.learned.tolist() == [2, 2, 2, 1] and found.forgotten.tolist() == [0, 1, 1, 2]
    assert np.cumsum(found.learned - found.forgotten).tolist() == RIGHT.sum(axis=1).tolist()


def test_the_order_of_learning_tells_what_was_forgotten_later():
    counts = learning_order(history_of(RIGHT))
    assert dict(zip(AFTERWARDS, counts.tolist())) == {
        "never forgotten": [1, 0, 1, 0, 0],
        "forgotten and learned again": [0, 1, 0, 0, 0],
        "forgotten, wrong at the last": [1, 1, 0, 0, 0],
        "never right": [0, 0, 0, 0, 1],
    }
    assert learning_order(history_of(RIGHT[:1])).tolist() == [[2, 0], [0, 0], [0, 0], [0, 4]]


def test_one_checkpoint_has_a_history_too():
    found = history_of(RIGHT[:1])
    assert found.fate.tolist() == [ALWAYS, NEVER, NEVER, ALWAYS, NEVER, NEVER]
    assert found.learned.tolist() == [2] and found.forgotten.tolist() == [0]


def test_the_order_of_learning_is_compared_by_ranks():
    first = history_of(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], bool))  # the last one never
    backward = history_of(np.array([[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]], bool))
    assert order_agreement(first, first) == pytest.approx(1)
    assert order_agreement(first, backward) == pytest.approx(-1)
    some, other = (history_of(np.random.default_rng(seed).random((3, 50)) < 0.4) for seed in (1, 2))
    places = [np.where(one.first_right < 0, 3, one.first_right) for one in (some, other)]
    assert order_agreement(some, other) == pytest.approx(spearmanr(*places).statistic)
    assert np.isnan(order_agreement(first, history_of(np.ones((3, 4), bool))))


def test_log_odds_with_a_prior_by_hand():
    """Two words; "who" in 6 right and 2 wrong questions, "how" in 2 and 6: with a prior of 4, alpha = 2 each."""
    questions = ["Who?"] * 8 + ["How, how?"] * 8
    right = np.array([1] * 6 + [0] * 2 + [1] * 2 + [0] * 6, bool)
    first, last = separating_words(questions, right, prior=4)
    assert (first.word, first.right, first.wrong) == ("who", 6, 2) and (last.word, last.right, last.wrong) == ("how", 2, 6)
    delta = np.log(8 / (8 + 4 - 8)) - np.log(4 / (8 + 4 - 4))
    assert first.log_odds == pytest.approx(delta) and last.log_odds == pytest.approx(-delta)
    assert first.z == pytest.approx(delta / np.sqrt(1 / 8 + 1 / 4))


def test_a_common_difference_stands_before_a_rare_one():
    questions = ["when rare"] * 5 + ["when"] * 200 + ["why"] * 200 + ["what"] * 400
    right = np.array([1] * 5 + [1] * 150 + [0] * 50 + [1] * 50 + [0] * 150 + [1, 0] * 200, bool)
    found = separating_words(questions, right)
    assert [found[0].word, found[-1].word] == ["when", "why"]
    assert [word.word for word in separating_words(questions, right, least=6)].count("rare") == 0
    assert separating_words([], np.array([], bool)) == []


def test_an_apostrophe_belongs_to_its_word():
    questions = ["Who wasn't 'there'?"] * 6 + ["Who is O’Neill?"] * 6
    assert {word.word for word in separating_words(questions, np.arange(12) < 6)} == {"who", "wasn't", "there", "is", "o’neill"}
