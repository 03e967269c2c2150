"""tools/report/calibration.py against hand computations and closed forms."""

import made_records
import numpy as np
import pytest
from calibration import accuracy_at, area_under_risk, confidence_of, reliability, risk_coverage
from question_records import read_records


def test_confidence_is_the_probability_of_the_answer(tmp_path):
    columns = made_records.span_columns(3, answerable=[1, 0, 1], null_odds=[-1, 2, 0.5], span_probability=[0.7, 0.1, 0.3],
                                        none_probability=[0.2, 0.8, 0.5])
    records = read_records(made_records.write_records(tmp_path / "q.safetensors", columns))
    assert confidence_of(records) == pytest.approx([0.7, 0.8, 0.5])
    assert confidence_of(records, 1) == pytest.approx([0.7, 0.8, 0.3])
    columns = made_records.class_columns(3, none_probability=[0.2, 0.5, 0.9])
    records = read_records(made_records.write_records(tmp_path / "c.safetensors", columns, "classification"))
    assert confidence_of(records) == pytest.approx([0.8, 0.5, 0.9])


def test_reliability_by_hand():
    confidence, correct = np.array([0.0, 0.5, 0.55, 0.9, 1.0]), np.array([False, True, False, True, True])
    found = reliability(confidence, correct, bins=2)
    assert found.counts.tolist() == [2, 3]  # 0.5 belongs below
    assert found.confidence == pytest.approx([0.25, 2.45 / 3]) and found.accuracy == pytest.approx([0.5, 2 / 3])
    assert found.error == pytest.approx((2 * 0.25 + 3 * (2.45 / 3 - 2 / 3)) / 5)
    assert np.isnan(reliability(confidence[:1], correct[:1], bins=4).accuracy[1:]).all()


def test_a_calibrated_system_has_nearly_no_error():
    random = np.random.default_rng(1)
    confidence = random.random(200_000)
    assert reliability(confidence, random.random(200_000) < confidence).error < 0.01
    assert reliability(confidence, random.random(200_000) < confidence**2).error == pytest.approx(1 / 2 - 1 / 3, abs=0.01)


def test_risk_and_coverage_by_hand():
    confidence, correct = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    coverage, risk = risk_coverage(confidence, correct)
    assert coverage.tolist() == [0.25, 0.75, 1] and risk == pytest.approx([0, 1 / 3, 1 / 2])
    assert area_under_risk(confidence, correct) == pytest.approx(0.5 * 1 / 3 + 0.25 * 1 / 2)


def test_accuracy_at_a_coverage():
    confidence, correct = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    assert accuracy_at(confidence, correct, 1) == 0.5
    assert accuracy_at(confidence, correct, 0.25) == 1
    assert accuracy_at(confidence, correct, 0.5) == pytest.approx(0.75)  # one of two equals, half of which are right
    assert accuracy_at(confidence, correct, 0.1) == 1
    assert accuracy_at(np.ones(10), np.arange(10) < 3) == pytest.approx(0.3)  # nothing tells them apart


def test_a_system_that_knows_leaves_out_its_errors():
    """Accuracy 0.75, errors least confident: none among the most confident 75 %, and at 80 % coverage 5 of 80."""
    correct = np.arange(100) < 75
    confidence = 1 - np.arange(100) / 100
    assert accuracy_at(confidence, correct, 0.75) == 1
    assert accuracy_at(confidence, correct) == pytest.approx(75 / 80)
