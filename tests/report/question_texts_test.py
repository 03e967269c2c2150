"""tools/report/question_texts.py reads contexts, questions and gold answers that bv_prepare wrote."""

import h5py
import made_records  # noqa: F401  finds tools/report
import numpy as np
import pytest
from question_texts import Answer, find_features, read_texts
from run_files import RunError

FINGERPRINT = "0123456789abcdef" * 2


def write_strings(group, name, texts):
    data = [text.encode() for text in texts]
    strings = group.create_group(name)
    strings["starts"] = np.cumsum([0, *map(len, data)])
    strings["bytes"] = np.frombuffer(b"".join(data), np.uint8)


def write_features(path):
    """Two contexts; the first has two questions, one of them of two windows."""
    with h5py.File(path, "w") as file:
        table = file.create_group("features")
        table.attrs.update(schema="bertvision-features", version=2, fingerprint=FINGERPRINT)
        # [CLS] q [SEP] two pieces [SEP]; the same question from the third piece on; one of the second question; the other context
        inside = [[-1, -1, -1, 0, 6, -1], [-1, -1, -1, 12, 18, 20, -1], [-1, -1, 0, 6, -1], [-1, -1, -1, 0, -1]]
        table["starts"] = np.cumsum([0, *map(len, inside)])
        table["char_begin"] = np.concatenate(inside).astype(np.int32)
        table["context_token"] = np.array([0, 2, 0, 0], np.int32)
        table["question_of"] = np.array([0, 0, 1, 2])
        write_strings(table, "contexts", ["Élodie built <script> 𠮷", "Nothing."])
        questions = table.create_group("questions")
        write_strings(questions, "id", ["q-0", "q-1", "q-ü"])
        write_strings(questions, "text", ["Who built?", "What?", "When?"])
        questions["context"] = np.array([0, 0, 1])
        questions["answer_starts"] = np.array([0, 2, 3, 3])
        write_strings(questions, "answer_text", ["Élodie", "Élodie built", "𠮷"])
        questions["answer_place"] = np.array([0, 0, 22])
    return path


def test_texts_and_answers_are_those_of_the_file(tmp_path):
    texts = read_texts(write_features(tmp_path / "dev.h5"), FINGERPRINT)
    assert texts.ids == ["q-0", "q-1", "q-ü"] and texts.questions == ["Who built?", "What?", "When?"]
    assert texts.context_of.tolist() == [0, 0, 1]
    assert texts.answers == [[Answer("Élodie", 0), Answer("Élodie built", 0)], [Answer("𠮷", 22)], []]
    assert texts.places(np.array(["q-ü", "q-0"])).tolist() == [2, 0]
    assert texts.span(0, 0, 6) == "Élodie" and texts.span(1, 22, 23) == "𠮷" and texts.span(1, -1, -1) == ""
    assert texts.context_pieces.tolist() == [5, 1]
    with pytest.raises(RunError, match=r"dev\.h5: has no question 'q-9'"):
        texts.places(["q-1", "q-9"])


def test_a_features_file_is_found_by_its_fingerprint(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "broken.h5").write_bytes(b"no HDF5")
    path = write_features(tmp_path / "features" / "dev.h5")
    assert find_features(tmp_path, FINGERPRINT, ["elsewhere/dev.h5"]) == path
    assert find_features(tmp_path, "0" * 32) is None
    other = write_features(tmp_path / "other.h5")
    assert find_features(tmp_path, FINGERPRINT, [other]) == other


def test_a_file_that_is_not_right_is_an_error_that_names_it(tmp_path):
    path = write_features(tmp_path / "dev.h5")
    with pytest.raises(RunError, match=rf"dev\.h5: holds features {FINGERPRINT}, expected {'0' * 32}"):
        read_texts(path, "0" * 32)
    with h5py.File(path, "a") as file:
        file["features"].attrs["version"] = 3
    with pytest.raises(RunError, match=r"dev\.h5: its features have schema bertvision-features version 3, expected"):
        read_texts(path)
    with h5py.File(path, "a") as file:
        file["features"].attrs["version"] = 2
        del file["features/questions/context"]
    with pytest.raises(RunError, match=r"dev\.h5: cannot be read as a features file: .*context"):
        read_texts(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(RunError, match=r"dev\.h5: has no group 'features'"):
        read_texts(path)
    path.write_bytes(b"cut")
    with pytest.raises(RunError, match=r"dev\.h5: cannot be read as a features file"):
        read_texts(path)
