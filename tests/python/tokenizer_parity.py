"""Comparing bv_prepare's ids and offsets with those of Hugging Face."""

import json

import bv
import h5py

# One window takes any question and context of these tests.
ONE_WINDOW = ["--max-tokens", "20000", "--max-question-tokens", "9000", "--stride", "1"]


def write_squad(path, pairs):
    """A SQuAD file without answers: one paragraph for each (question, context)."""
    paragraphs = [{"context": context, "qas": [{"id": str(i), "question": question}]}
                  for i, (question, context) in enumerate(pairs)]
    path.write_text(json.dumps({"version": "test", "data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8")
    return path


def prepared(squad, model, output, *flags):
    """Per feature: ids, segments, character offsets and byte offsets, as lists."""
    bv.run("bv_prepare", "--squad", squad, "--model", model, "--output", output, *ONE_WINDOW, *flags)
    with h5py.File(output) as file:
        table = file["features"]
        columns = {name: table[name][:].tolist() for name in
                   ("ids", "segments", "char_begin", "char_end", "byte_begin", "byte_end")}
        starts = table["starts"][:].tolist()
    return [{name: column[a:b] for name, column in columns.items()} for a, b in zip(starts, starts[1:], strict=False)]


def assert_equal(feature, question, context, encoding_of, special):
    """encoding_of(text) gives Hugging Face's ids and offsets; special are the ids of [CLS] and [SEP]."""
    cls, sep = special
    question_ids, _ = encoding_of(question)
    ids, offsets = encoding_of(context)
    head, tail = len(question_ids) + 2, 1
    text = f"question {question!r}, context {context!r}"
    assert feature["ids"] == [cls, *question_ids, sep, *ids, sep], text
    assert feature["segments"] == [0] * head + [1] * (len(ids) + tail), text
    byte_at = [0]
    for c in context:
        byte_at.append(byte_at[-1] + len(c.encode()))
    wanted = [(-1,) * 4] * head + [(a, b, byte_at[a], byte_at[b]) for a, b in offsets] + [(-1,) * 4] * tail
    found = list(zip(feature["char_begin"], feature["char_end"], feature["byte_begin"], feature["byte_end"], strict=True))
    assert found == wanted, text


def fast_encoder(tokenizer):
    def encode(text):
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return encoded["input_ids"], encoded["offset_mapping"]
    return encode
