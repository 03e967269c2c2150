"""The embedded corpus is what its users count on."""

import hashlib
import unicodedata

import bv
import pytest


def paragraphs_of(path):
    return [paragraph for article in bv.read_json(path)["data"] for paragraph in article["paragraphs"]]


def questions_of(path):
    return [question for paragraph in paragraphs_of(path) for question in paragraph["qas"]]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The corpus of the default sizes."""
    folder = tmp_path_factory.mktemp("full")
    bv.run_tool("make_corpus.py", "--output", folder)
    return folder


def test_the_bytes_are_the_same_everywhere(full):
    """The sums are of Python 3.11; a change of the generator changes them, another machine or Python must not."""
    sums = {
        name: hashlib.sha256((full / name).read_bytes()).hexdigest() for name in ("train.json", "dev.json")
    }
    assert sums == {
        "train.json": "cebc262bcadf10ee8cb071b3888d61facf982b48de0349dc31222682a51ab561",
        "dev.json": "b6b77ef1b5a2b737ba43bdca6042abbb633faa8d57afeb8736ffd39661677a38",
    }


def test_another_seed_gives_another_corpus(full, tmp_path):
    bv.run_tool("make_corpus.py", "--output", tmp_path, "--seed", 1)
    assert (tmp_path / "train.json").read_bytes() != (full / "train.json").read_bytes()


@pytest.mark.parametrize("train, dev", [(1, 1), (2, 5), (24, 12), (31, 18)])
def test_sizes_are_exact_and_ids_unique(tmp_path, train, dev):
    bv.make_corpus(tmp_path, train=train, dev=dev)
    for name, count in (("train.json", train), ("dev.json", dev)):
        ids = [question["id"] for question in questions_of(tmp_path / name)]
        assert len(ids) == len(set(ids)) == count


@pytest.mark.parametrize("name, golds", [("train.json", 1), ("dev.json", 3)])
def test_a_third_has_no_answer_and_the_others_have_theirs_where_they_say(full, name, golds):
    questions = questions_of(full / name)
    assert sum(question["is_impossible"] for question in questions) * 3 == len(questions)
    for paragraph in paragraphs_of(full / name):
        for question in paragraph["qas"]:
            assert len(question["answers"]) == (0 if question["is_impossible"] else golds)
            for answer in question["answers"] + question.get("plausible_answers", []):
                begin = answer["answer_start"]
                assert (
                    answer["text"]
                    and paragraph["context"][begin : begin + len(answer["text"])] == answer["text"]
                )


def test_gold_answers_of_dev_differ(full):
    answered = [question for question in questions_of(full / "dev.json") if question["answers"]]
    assert (
        sum(len({answer["text"] for answer in question["answers"]}) > 1 for question in answered)
        > len(answered) / 3
    )


def test_dev_speaks_of_other_subjects_than_train(full):
    train = "\n".join(paragraph["context"] for paragraph in paragraphs_of(full / "train.json"))
    for paragraph in paragraphs_of(full / "dev.json"):
        opening = paragraph["context"].split(".")[0]
        assert opening not in train


def test_the_text_holds_what_tokenizers_get_wrong(full):
    text = "".join(
        paragraph["context"]
        for name in ("train.json", "dev.json")
        for paragraph in paragraphs_of(full / name)
    )
    assert {"\u00a0", "\u2009", "\u3000"} <= set(text)
    assert any(unicodedata.combining(character) for character in text)
    assert any(unicodedata.decomposition(character) for character in text)
    assert any("\u4e00" <= character <= "\u9fff" for character in text)
    assert any(ord(character) > 0xFFFF for character in text)


@pytest.mark.parametrize("size", ["full", "corpus"])
@pytest.mark.parametrize("name", ["train.json", "dev.json"])
def test_some_questions_have_two_or_three_windows(size, name, model, request):
    from transformers import AutoTokenizer

    folder = request.getfixturevalue(size)
    tokenizer = AutoTokenizer.from_pretrained(model)
    windows = set()
    for paragraph in paragraphs_of(folder / name):
        context = len(tokenizer(paragraph["context"], add_special_tokens=False)["input_ids"])
        for question in paragraph["qas"]:
            room = 386 - 3 - len(tokenizer(question["question"], add_special_tokens=False)["input_ids"])
            windows.add(1 + max(0, -(-(context - room) // 128)))
    assert 1 in windows
    assert windows <= {1, 2, 3}
    assert windows & {2, 3}
