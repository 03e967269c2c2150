"""Windows by overlap and labels by offsets against the way of transformers' run_qa."""

import bv
import h5py
from transformers import BertTokenizerFast

MAX_TOKENS, OVERLAP = 384, 128


def run_qa_features(path, tokenizer):
    """(ids, start, end) of each feature, as run_qa's prepare_train_features makes them, with its label search kept inside
    the context: run_qa's own runs onto [SEP] where an answer begins in a window's last token."""
    for article in bv.read_json(path)["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                encoded = tokenizer(question["question"], paragraph["context"], truncation="only_second", max_length=MAX_TOKENS,
                                    stride=OVERLAP, return_overflowing_tokens=True, return_offsets_mapping=True)
                for w, ids in enumerate(encoded["input_ids"]):
                    offsets = encoded["offset_mapping"][w]
                    inside = [i for i, s in enumerate(encoded.sequence_ids(w)) if s == 1]
                    start = end = 0
                    if question["answers"]:
                        first = question["answers"][0]["answer_start"]
                        past = first + len(question["answers"][0]["text"])
                        if offsets[inside[0]][0] <= first and offsets[inside[-1]][1] >= past:
                            start = max(i for i in inside if offsets[i][0] <= first)
                            end = min(i for i in inside if offsets[i][1] >= past)
                    yield ids, start, end


def test_windows_and_labels_are_those_of_run_qa(references, model, tmp_path):
    squad = references / "squad" / "train.json"
    output = tmp_path / "features.h5"
    bv.run("bv_prepare", "--squad", squad, "--model", model, "--output", output, "--max-tokens", MAX_TOKENS, "--stride", OVERLAP,
           "--stride-means", "overlap", "--label-rule", "offsets")
    with h5py.File(output) as file:
        table = file["features"]
        starts = table["starts"][:].tolist()
        ids = table["ids"][:].tolist()
        found = [(ids[a:b], start, end) for a, b, start, end in
                 zip(starts, starts[1:], table["start_label"][:].tolist(), table["end_label"][:].tolist(), strict=False)]
    assert found == list(run_qa_features(squad, BertTokenizerFast.from_pretrained(model)))
