"""bv_prepare as its users meet it: outputs, hold-out, and one clear line for every mistake."""

import json
import time

import bv
import h5py
import pytest


def strings(group):
    starts, data = group["starts"][:].tolist(), group["bytes"][:].tobytes()
    return [data[a:b].decode() for a, b in zip(starts, starts[1:], strict=False)]


def summary(path):
    """Fingerprint, question ids and contexts of a features file."""
    with h5py.File(path) as file:
        table = file["features"]
        return table.attrs["fingerprint"], strings(table["questions/id"]), set(strings(table["contexts"]))


def prepare(squad, model, output, *flags, check=True):
    return bv.run("bv_prepare", "--squad", squad, "--model", model, "--output", output, *flags, check=check)


def question_ids(squad):
    return [question["id"] for article in bv.read_json(squad)["data"] for paragraph in article["paragraphs"]
            for question in paragraph["qas"]]


def assert_refused(result, folder, *parts):
    """Exit code 2, one line that names the parts, and nothing written into the folder."""
    assert result.rc == 2, result
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    assert all(part in lines[0] for part in parts), lines[0]
    assert list(folder.iterdir()) == []


@pytest.fixture
def empty(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_equal_input_gives_equal_features_for_any_number_of_threads(corpus, model, empty):
    prepare(corpus / "train.json", model, empty / "1.h5", "--threads", 1)
    written = int(time.time())
    while int(time.time()) == written:  # HDF5 would put the second of writing into the file
        time.sleep(0.01)
    prepare(corpus / "train.json", model, empty / "3.h5", "--threads", 3)
    assert summary(empty / "1.h5") == summary(empty / "3.h5")
    assert (empty / "1.h5").read_bytes() == (empty / "3.h5").read_bytes()


def test_the_configuration_written_beside_a_result_makes_it_again(corpus, model, empty):
    first = empty / "first.h5"
    result = prepare(corpus / "train.json", model, first, "--stride", 64, "--label-rule", "offsets")
    assert "questions/s" in result.stderr
    made = summary(first)
    bv.run("bv_prepare", "--config", empty / "first.h5.toml", "--force")
    assert summary(first) == made
    bv.run("bv_prepare", "--config", empty / "first.h5.toml", "--output", empty / "other.h5", "--stride", 65)
    assert summary(empty / "other.h5")[0] != made[0]


def test_a_hold_out_takes_whole_paragraphs_by_its_seed(corpus, model, empty):
    squad = corpus / "train.json"

    def split(name, seed):
        prepare(squad, model, empty / f"{name}.h5", "--hold-out", 0.2, "--hold-out-output", empty / f"{name}-held.h5",
                "--unfound", "keep", "--seed", seed)
        return summary(empty / f"{name}.h5"), summary(empty / f"{name}-held.h5")

    (_, kept, kept_contexts), (_, held, held_contexts) = split("a", 1)
    wanted = question_ids(squad)
    assert sorted(kept + held) == sorted(wanted)
    assert kept == [name for name in wanted if name in set(kept)]
    assert kept_contexts.isdisjoint(held_contexts)
    assert len(held) >= 0.2 * len(wanted) and kept
    # The launchers take the other file as the sign that both are made.
    assert (empty / "a-held.h5").stat().st_mtime_ns < (empty / "a.h5").stat().st_mtime_ns
    assert split("again", 1)[1][1] == held
    assert any(split(f"seed-{seed}", seed)[1][1] != held for seed in (2, 3, 4))


def test_a_limit_takes_the_first_questions(corpus, model, empty):
    prepare(corpus / "train.json", model, empty / "some.h5", "--limit", 5, "--unfound", "keep")
    assert summary(empty / "some.h5")[1] == question_ids(corpus / "train.json")[:5]


def test_outputs_are_replaced_by_force_alone(corpus, model, empty):
    output = empty / "dev.h5"
    prepare(corpus / "dev.json", model, output)
    before = output.read_bytes()
    result = prepare(corpus / "dev.json", model, output, "--stride", 64, check=False)
    assert result.rc == 2 and "dev.h5 exists already" in result.stderr and output.read_bytes() == before
    prepare(corpus / "dev.json", model, output, "--stride", 64, "--force")
    assert output.read_bytes() != before


def test_the_counts_of_a_whole_squad_file_are_checked(model, tmp_path):
    """A file with as many questions as SQuAD 2.0 dev is held to that file's windows a question (1 to 5)."""
    windows = {1: 11665, 2: 114, 3: 51, 4: 34, 5: 9}
    capacity = 386 - 3 - 1

    def write(name, counts):
        paragraphs = [{"context": " ".join(["a"] * (capacity + (n - 2) * 128 + 1)) if n > 1 else "a",
                       "qas": [{"id": f"{n}-{i}", "question": "b"} for i in range(count)]} for n, count in counts.items()]
        (tmp_path / name).write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
        return tmp_path / name

    same = prepare(write("same.json", windows), model, tmp_path / "same.h5")
    assert "it has 12227 features, as published" in same.stderr
    other = prepare(write("other.json", {**windows, 4: 33, 5: 10}), model, tmp_path / "other.h5")
    assert "which has 12227 features with these settings; found 12228" in other.stderr
    fewer = prepare(write("fewer.json", {**windows, 5: 8}), model, tmp_path / "fewer.h5")
    assert "published" not in fewer.stderr and "12227" not in fewer.stderr


def squad_with(answer):
    question = {"id": "q7", "question": "Which?", "answers": [answer]}
    return json.dumps({"data": [{"paragraphs": [{"context": "a blue ball", "qas": [question]}]}]})


@pytest.mark.parametrize("content, parts", [
    ('{"data": [\n  {]}', ["line 2, column 4"]),
    ('{"version": "2.0"}', ['no "data"']),
    ('{"data": [{"paragraphs": [{"context": "a"}]}]}', ["data[0].paragraphs[0].qas' is missing"]),
    (squad_with({"text": "blue", "answer_start": 3}), ["question q7", '"blue"', '"lue "']),
])
def test_a_bad_squad_file_is_refused(content, parts, model, tmp_path, empty):
    squad = tmp_path / "squad.json"
    squad.write_text(content)
    assert_refused(prepare(squad, model, empty / "out.h5", check=False), empty, "squad.json", *parts)


def test_bad_flags_and_folders_are_refused(corpus, model, tmp_path, empty):
    squad, output = corpus / "dev.json", empty / "out.h5"
    hold_out = ["--hold-out-output", empty / "held.h5"]
    assert_refused(prepare(tmp_path / "absent.json", model, output, check=False), empty, "absent.json")
    assert_refused(prepare(squad, tmp_path / "no-model", output, check=False), empty, "no-model")
    assert_refused(prepare(squad, corpus, output, check=False), empty, "vocab.txt")
    assert_refused(prepare(squad, model, output, "--stride", 0, check=False), empty, "stride 0")
    assert_refused(prepare(squad, model, output, "--label-rule", "new", check=False), empty, "new", "legacy,offsets")
    assert_refused(prepare(squad, model, output, *hold_out, check=False), empty, "--hold-out-output alone")
    assert_refused(prepare(squad, model, output, "--hold-out", 1, *hold_out, check=False), empty, "--hold-out is 1")
    assert_refused(prepare(squad, model, output, "--strid", 3, check=False), empty, "--strid", "--stride")

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "vocab.txt").write_text("[PAD]\n[CLS]\n[SEP]\n")
    assert_refused(prepare(squad, tmp_path / "model", output, check=False), empty, "vocab.txt", "[UNK]")


def test_a_file_without_any_feature_is_refused(model, tmp_path):
    """The legacy rule finds no token for an answer that ends within a word."""
    question = {"id": "q", "question": "who?", "is_impossible": False, "answers": [{"text": "cat\u00a0sat", "answer_start": 0}]}
    (tmp_path / "dev.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "cat\u00a0sat", "qas": [question]}]}]}))
    flags = ["--squad", tmp_path / "dev.json", "--model", model, "--output", tmp_path / "dev.h5"]
    refused = bv.run("bv_prepare", *flags, check=False)
    (error,) = bv.error_lines(refused.stderr)
    assert refused.rc == 2 and "no feature is left of 1 questions" in error and not (tmp_path / "dev.h5").exists()
    bv.run("bv_prepare", *flags, "--unfound", "keep")
