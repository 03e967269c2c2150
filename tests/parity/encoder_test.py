"""The encoder against Hugging Face Transformers: states, logits, loss and gradients, for every variety of folder."""

import json
import shutil

import bv
import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForQuestionAnswering, BertForSequenceClassification

COUNT = 6  # features compared


@pytest.fixture(scope="module")
def features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "dev.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", path)
    return path


def sequences(path):
    with h5py.File(path) as file:
        table = file["features"]
        starts = table["starts"][: COUNT + 1]
        for f in range(COUNT):
            rows = slice(starts[f], starts[f + 1])
            yield (torch.tensor(table["ids"][rows].astype(np.int64))[None],
                   torch.tensor(table["segments"][rows].astype(np.int64))[None],
                   int(table["start_label"][f]), int(table["end_label"][f]))


def probe(folder, features, task, tmp_path):
    output = tmp_path / f"{task}.safetensors"
    bv.run("bert_probe", folder, features, task, COUNT, output)
    return load_file(output)


def peer(folder, features, task):
    """The same from transformers, one unpadded sequence at a time."""
    kind = BertForQuestionAnswering if task == "span" else BertForSequenceClassification
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    states, pooled, logits, loss = [], [], [], 0
    for ids, segments, start, end in sequences(features):
        if task == "span":
            out = model(input_ids=ids, token_type_ids=segments, output_hidden_states=True)
            both = torch.stack([out.start_logits[0], out.end_logits[0]], 1)
            logits.append(both)
            loss = loss - both[:, 0].log_softmax(0)[start] - both[:, 1].log_softmax(0)[end]
        else:
            body = model.bert(input_ids=ids, token_type_ids=segments, output_hidden_states=True)
            out = body
            pooled.append(body.pooler_output)
            logits.append(model.classifier(body.pooler_output))
            loss = loss - logits[-1].log_softmax(1)[0, 1 if start == 0 else 0]
        states.append(out.hidden_states)
    loss.backward()
    found = {f"state.{level}": torch.cat([s[level][0] for s in states]).detach() for level in range(len(states[0]))}
    if pooled:
        found["pooled"] = torch.cat(pooled).detach()
    found["logits"] = torch.cat(logits).detach()
    found["loss"] = loss.detach()[None]
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            found["gradient." + name.removeprefix("bert.")] = parameter.grad
    return found


def save_with_heads(folder, source_model, task):
    """A whole folder of a task's model, its head included, with the tokenizer's files."""
    kind = BertForQuestionAnswering if task == "span" else BertForSequenceClassification
    torch.manual_seed(5)
    folder.mkdir(parents=True)
    kind.from_pretrained(source_model).save_pretrained(folder)
    shutil.copy(source_model / "vocab.txt", folder)
    return folder


def compare(ours, theirs, states_within, gradients_within):
    for name, expected in theirs.items():
        if name.startswith("gradient."):
            scale = max(1.0, float(expected.abs().max()))
            assert float((ours[name] - expected).abs().max()) <= gradients_within * scale, name
        else:
            scale = max(1.0, float(expected.abs().max())) if name == "loss" else 1.0
            assert float((ours[name] - expected).abs().max()) <= states_within * scale, name
    missing = {n for n in ours if n.startswith("gradient.")} - set(theirs)
    assert not missing


@pytest.mark.parametrize("task", ["span", "classification"])
def test_real_small_bert(task, model, features, tmp_path):
    folder = save_with_heads(tmp_path / "model", model, task)
    theirs = peer(folder, features, task)
    assert sum(name.startswith("state.") for name in theirs) == 7
    compare(probe(folder, features, task, tmp_path), theirs, 1e-5, 1e-5)


def test_bert_large_width_random_model(model, features, tmp_path):
    torch.manual_seed(7)
    folder = tmp_path / "wide"
    BertForQuestionAnswering(BertConfig(hidden_size=1024, num_hidden_layers=2, num_attention_heads=16,
                                        intermediate_size=4096)).save_pretrained(folder)
    compare(probe(folder, features, "span", tmp_path), peer(folder, features, "span"), 1e-5, 1e-5)


@pytest.mark.parametrize("activation", ["gelu_new", "relu"])
def test_other_activations(activation, features, tmp_path):
    torch.manual_seed(7)
    folder = tmp_path / "model"
    BertForQuestionAnswering(BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96,
                                        hidden_act=activation)).save_pretrained(folder)
    compare(probe(folder, features, "span", tmp_path), peer(folder, features, "span"), 1e-5, 1e-5)


def without_prefix(tensors):
    return {n.removeprefix("bert."): t for n, t in tensors.items() if not n.startswith("qa_outputs.")}


def old_layer_norm_names(tensors):
    return {n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
            for n, t in tensors.items()}


def with_pretraining_heads(tensors):
    return {**tensors, "cls.seq_relationship.weight": torch.zeros(2, 32), "cls.predictions.bias": torch.zeros(7),
            "bert.embeddings.position_ids": torch.arange(512)[None]}


VARIETIES = {
    "without the prefix bert.": without_prefix,
    "LayerNorm as gamma and beta": old_layer_norm_names,
    "pre-training heads and integer buffers": with_pretraining_heads,
    "float16": lambda tensors: {n: t.half() for n, t in tensors.items()},
    "bfloat16": lambda tensors: {n: t.bfloat16() for n, t in tensors.items()},
}


@pytest.mark.parametrize("variety", [*VARIETIES, "shards"])
def test_every_variety_of_folder(variety, tiny_model, features, tmp_path):
    folder = save_with_heads(tmp_path / "model", tiny_model, "span")
    tensors = load_file(folder / "model.safetensors")
    if variety == "shards":
        names = sorted(tensors)
        shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for shard, members in shards.items():
            save_file({n: tensors[n] for n in members}, folder / shard)
        index = {"metadata": {}, "weight_map": {n: shard for shard, members in shards.items() for n in members}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        (folder / "model.safetensors").unlink()
    else:
        save_file(VARIETIES[variety](tensors), folder / "model.safetensors")
    # What transformers itself reads from a plain folder of the same values.
    plain = save_with_heads(tmp_path / "plain", tiny_model, "span")
    if "float16" in variety:
        save_file({n: t.float() for n, t in VARIETIES[variety](tensors).items()}, plain / "model.safetensors",
                  metadata={"format": "pt"})
    theirs, ours = peer(plain, features, "span"), probe(folder, features, "span", tmp_path)
    states = {n: t for n, t in theirs.items() if n.startswith("state.")}
    compare({n: t for n, t in ours.items() if n.startswith("state.")}, states, 1e-5, 1e-5)


def test_another_architecture_is_refused(tiny_model, features, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(tiny_model, folder)
    config = bv.read_json(folder / "config.json")
    config["model_type"] = "roberta"
    (folder / "config.json").write_text(json.dumps(config))
    result = bv.run("bert_probe", folder, features, "span", COUNT, tmp_path / "x", check=False)
    assert result.rc == 2
    assert "model_type" in result.stderr and "roberta" in result.stderr and str(folder) in result.stderr
