"""Windows and labels against those that transformers' squad_convert_examples_to_features made of the same questions."""

import hashlib
import json

import bv
import h5py
import pytest


@pytest.mark.parametrize("split", ["train", "dev"])
def test_windows_labels_and_ids_are_those_of_the_legacy_conversion(split, references, model, tmp_path):
    reference = bv.read_json(references / "reference" / f"legacy_features_{split}.json")
    output = tmp_path / "features.h5"
    labelled = reference["rows"][0][3] is not None
    keep = 5 if labelled else 3  # the legacy conversion labels training features only, and drops no others
    bv.run("bv_prepare", "--squad", references / "squad" / f"{split}.json", "--model", model, "--output", output,
           "--unfound", "skip" if labelled else "keep")
    with h5py.File(output) as file:
        table = file["features"]
        starts = table["starts"][:].tolist()
        ids = table["ids"][:].tolist()
        outside = table["char_begin"][:] < 0
        question_of = table["question_of"][:].tolist()
        labels = list(zip(table["start_label"][:].tolist(), table["end_label"][:].tolist(), strict=True))
        question_starts = table["questions/id/starts"][:].tolist()
        question_bytes = table["questions/id/bytes"][:].tobytes()
    names = [question_bytes[a:b].decode() for a, b in zip(question_starts, question_starts[1:], strict=False)]
    spans = list(zip(starts, starts[1:], strict=False))

    assert len(names) == reference["questions"]
    rows = [[names[q], b - a - int(outside[a:b].sum()), b - a, *label]
            for q, (a, b), label in zip(question_of, spans, labels, strict=True)]
    assert [row[:keep] for row in rows] == [row[:keep] for row in reference["rows"]]
    digest = hashlib.sha256(json.dumps([ids[a:b] for a, b in spans]).encode()).hexdigest()
    assert digest == reference["sha256_of_json_list_of_input_ids"]
