"""tools/report/question_records.py reads what an evaluation found for each question, and names a file that is not right."""

import numpy as np
import pytest
from made_records import class_columns, span_columns, write_records
from question_records import read_records
from run_files import RunError

SPAN = dict(
    answerable=[1, 1, 0, 0],
    exact=[1, 0, 0, 0],
    f1=[1, 0.5, 0, 0],
    null_odds=[-3, 2, -1, 4],
    id=["a", "b-é", "c", "question-4"],
)


def test_the_answer_is_none_above_the_threshold(tmp_path):
    records = read_records(write_records(tmp_path / "q.safetensors", span_columns(4, **SPAN)))
    assert list(records.ids) == ["a", "b-é", "c", "question-4"]
    assert list(records.null_odds) == [-3, 2, -1, 4]
    assert records.correct().tolist() == [True, False, False, True]
    assert records.correct(-2).tolist() == [True, False, True, True]
    assert records.f1().tolist() == [1, 0, 0, 1]
    assert records.f1(3).tolist() == [1, 0.5, 0, 1]
    assert records.f1(-3).tolist() == [1, 0, 1, 1]  # not above it
    assert records.f1(-4).tolist() == [0, 0, 1, 1]
    numerators, denominators = records.f1_parts(3)
    assert numerators.sum() / denominators.sum() == 2.5 / 4


def test_the_threshold_of_the_answers_as_given_is_the_files(tmp_path):
    records = read_records(write_records(tmp_path / "q.safetensors", span_columns(4, **SPAN), null_threshold="2.5"))
    assert records.null_threshold == 2.5
    assert records.f1().tolist() == [1, 0.5, 0, 1]


def test_a_threshold_between_two_float32_is_not_rounded(tmp_path):
    odds = np.float32(0.1)
    columns = span_columns(1, answerable=[0], null_odds=[odds])
    records = read_records(write_records(tmp_path / "q.safetensors", columns))
    assert float(odds) > 0.1
    assert records.says_none(0.1).tolist() == [True]


def test_classification_is_right_where_it_finds_the_class(tmp_path):
    columns = class_columns(5, answerable=[1, 1, 0, 0, 0], none_probability=[0.2, 0.6, 0.5, 0.7, 0.9])
    records = read_records(write_records(tmp_path / "q.safetensors", columns, "classification"))
    assert records.correct().tolist() == [True, False, False, True, True]
    numerators, denominators = records.f1_parts()
    assert numerators.sum() / denominators.sum() == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))  # 2 TP, 1 FP, 1 FN
    with pytest.raises(ValueError, match="f1_parts"):
        records.f1()


def test_without_labels_there_are_no_verdicts(tmp_path):
    verdicts = [f"{who}{score}" for who in ("", "second_", "reference_", "reference_second_") for score in ("exact", "f1")]
    columns = span_columns(2, answerable=None, disagreement=None, **dict.fromkeys(verdicts))
    records = read_records(write_records(tmp_path / "q.safetensors", columns))
    assert not records.labelled
    with pytest.raises(RunError, match=r"q\.safetensors: has no column 'answerable': the features have no labels"):
        records.correct()


@pytest.mark.parametrize(
    "given, about, complaint",
    [
        ({"window": None}, {}, "has no column 'window'"),
        ({"second_f1": None}, {}, "has no column 'second_f1'"),
        ({"id": None}, {}, "has no column 'id'"),
        ({"span_score": [0, np.nan, 0, 0]}, {}, "column 'span_score' holds nan for question 'question-1'"),
        ({"none_score": [0, 0, np.inf, 0]}, {}, "column 'none_score' holds inf for question 'question-2'"),
        ({"f1": [0, 0, 0, 100]}, {}, "column 'f1' holds 100.0 for question 'question-3'"),
        ({"exact": [0, 2, 0, 0]}, {}, "column 'exact' holds 2 for question 'question-1'"),
        ({"id": ["a", "b", "b", "c"]}, {}, "column 'id' holds 'b' twice"),
        ({"disagreement": [0, 0, 9, 0]}, {}, "column 'disagreement' holds 9, but its metadata name 7 reasons"),
        ({}, {"features": "0" * 32}, f"belongs to features {'0' * 32}, expected {'f' * 32}"),
        ({}, {"version": "2"}, "holds records of version 2, expected 1"),
        ({}, {"task": "speech"}, "holds records of task 'speech', expected one of span, classification"),
        ({}, {"null_threshold": "low"}, "'null_threshold' should be a number, is 'low'"),
    ],
)
def test_a_file_that_is_not_right_is_an_error_that_names_it(tmp_path, given, about, complaint):
    path = write_records(tmp_path / "q.safetensors", span_columns(4, **given), **about)
    with pytest.raises(RunError) as wrong:
        read_records(path, features="f" * 32)
    assert str(wrong.value).startswith(f"{path}: ") and complaint in str(wrong.value)


@pytest.mark.parametrize("left", [0, 7, 200, -1])
def test_a_file_cut_short_is_an_error_that_names_it(tmp_path, left):
    path = write_records(tmp_path / "q.safetensors", span_columns(4))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(RunError, match=r"q\.safetensors: cannot be read as safetensors: "):
        read_records(path)


def test_a_file_that_is_not_there_or_holds_something_else_is_an_error_that_names_it(tmp_path):
    with pytest.raises(RunError, match=r"none\.safetensors: cannot be read"):
        read_records(tmp_path / "none.safetensors")
    columns = span_columns(3)
    columns["begin"] = np.zeros(2, np.int32)
    with pytest.raises(RunError, match=r"column 'begin' has the shape \(2,\), expected \(3,\): one value a question"):
        read_records(write_records(tmp_path / "q.safetensors", columns))


@pytest.mark.parametrize(
    "name, kind, told",
    [("begin", np.int64, "int64, expected int32"), ("f1", np.float16, "float16, expected float32"), ("exact", bool, "bool, expected uint8"),
     ("null_odds", np.int32, "int32, expected float32"), ("disagreement", np.float32, "float32, expected uint8")],
)
def test_a_column_of_another_type_is_an_error_that_names_it(tmp_path, name, kind, told):
    columns = span_columns(3)
    columns[name] = columns[name].astype(kind)
    with pytest.raises(RunError, match=rf"q\.safetensors: column '{name}' is {told}"):
        read_records(write_records(tmp_path / "q.safetensors", columns))


@pytest.mark.parametrize("shape", [(3, 1), (), (0,)])
def test_a_column_of_another_shape_is_an_error_that_names_it(tmp_path, shape):
    columns = span_columns(3)
    columns["f1"] = np.zeros(shape, np.float32)
    with pytest.raises(RunError, match=r"q\.safetensors: column 'f1' has the shape \(.*\), expected \(3,\)"):
        read_records(write_records(tmp_path / "q.safetensors", columns))


def test_a_column_that_is_not_known_is_left_out(tmp_path):
    columns = span_columns(3) | {"of_later": np.zeros((2, 2), np.int64)}
    assert "of_later" not in read_records(write_records(tmp_path / "q.safetensors", columns)).columns
