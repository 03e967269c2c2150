"""Heads trained by bv_train are those that PyTorch trains from the same initial values, states and order."""

import json
import math

import bv
import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch_head import TorchHead

SEED, DATA_SEED = 3, 2
HEADS = {
    "span": ["learned_pooling", "adapter_64_shared", "adapter_64_shared_skip", "adapter_64_unshared_skip",
             "learned_pooling_adapter_386", "adapter_386_shared_skip_learned_pooling"],
    "classification": ["tenney_small", "adapter_pooler_tenney", "adapter_pooler_mean"],
}
BATCH = 8
EPOCHS = 2


class KerasAdam:
    """Adam with epsilon before the bias correction, as in Keras."""

    def __init__(self, parameters, rate=1e-3, epsilon=1e-8):
        self.parameters, self.rate, self.epsilon, self.steps = parameters, rate, epsilon, 0
        self.first = [torch.zeros_like(p) for p in parameters]
        self.second = [torch.zeros_like(p) for p in parameters]

    def step(self):
        self.steps += 1
        rate = self.rate * math.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        with torch.no_grad():
            for p, m, v in zip(self.parameters, self.first, self.second):
                m.mul_(0.9).add_(p.grad, alpha=0.1)
                v.mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
                p -= rate * m / (v.sqrt() + self.epsilon)
                p.grad = None


class Store:
    """A store's states and labels by feature, in the features file's order."""

    def __init__(self, path):
        with h5py.File(path) as file:
            self.states = torch.from_numpy(file["states"][:])
            starts, original = file["starts"][:], file["original"][:]
            table = file["features"]
            self.start_label = table["start_label"][:].astype(np.int64)
            self.end_label = table["end_label"][:].astype(np.int64)
        self.rows = {int(f): slice(int(starts[p]), int(starts[p + 1])) for p, f in enumerate(original)}

    def __len__(self):
        return len(self.rows)

    def of(self, feature):
        return self.states[:, self.rows[feature]]

    def loss(self, task, feature, logits):
        cross_entropy = torch.nn.functional.cross_entropy
        if task == "classification":
            return cross_entropy(logits, torch.tensor([int(self.start_label[feature] == 0)]), reduction="sum")
        ends = torch.tensor([self.start_label[feature], self.end_label[feature]])
        return cross_entropy(logits.T, ends, reduction="sum")


def mix(value):
    """SplitMix64."""
    mask = 2**64 - 1
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def epoch_order(seed, epoch, count):
    return sorted(range(count), key=lambda index: mix((mix(seed) + (epoch << 32) + index) & (2**64 - 1)))


@pytest.fixture(scope="module", params=["span", "classification"])
def trained(request, tmp_path_factory, tiny_model, corpus):
    """(task, train store, dev store, folder of trained heads)."""
    task = request.param
    folder = tmp_path_factory.mktemp(task)
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", tiny_model, "--output", folder / f"{split}.h5")
        bv.run("bv_extract", "--checkpoint", tiny_model, "--features", folder / f"{split}.h5", "--task", task, "--store",
               folder / f"{split}-states.h5", "--dtype", "float32")
    bv.run("bv_train", "--store", folder / "train-states.h5", "--dev-store", folder / "dev-states.h5", "--heads",
           ",".join(HEADS[task]), "--output", folder / "heads", "--epochs", EPOCHS, "--batch", BATCH, "--seed", SEED, "--data-seed", DATA_SEED,
           "--device", "cpu")
    return task, Store(folder / "train-states.h5"), Store(folder / "dev-states.h5"), folder / "heads"


def result_of(heads, name):
    (folder,) = heads.glob(f"{name}/epoch-*/lr-0.001-seed-{SEED}")
    return folder


def train_epoch(head, adam, task, train, order):
    """An epoch in PyTorch over the features in this order; returns the sum of their losses."""
    losses = 0
    for first in range(0, len(order), BATCH):
        batch = order[first:first + BATCH]
        loss = sum(train.loss(task, feature, head(train.of(feature))) for feature in batch)
        losses += loss.item()
        (loss / len(batch)).backward()
        adam.step()
    return losses


def test_a_head_trained_by_torch_is_the_same(trained):
    task, train, _, heads = trained
    for name in HEADS[task]:
        folder = result_of(heads, name)
        head = TorchHead(json.loads((folder / "head.json").read_text())["definition"], train.states.shape[0],
                         train.states.shape[2], SEED)
        adam = KerasAdam(list(head.parameters.values()))
        for epoch in range(EPOCHS):
            losses = train_epoch(head, adam, task, train, epoch_order(DATA_SEED, epoch, len(train)))
            found = bv.read_json_lines(folder / "metrics.jsonl")[epoch]
            assert found["loss"] == pytest.approx(losses / len(train), rel=1e-4), (name, epoch)
        ours = load_file(folder / "head.safetensors")
        assert ours.keys() == head.parameters.keys()
        for parameter, value in head.parameters.items():
            if task == "span" and parameter.endswith("linear.bias"):
                continue  # a softmax over tokens is blind to it: its gradient is rounding, which Adam makes steps of
            assert torch.allclose(ours[parameter], value, rtol=1e-3, atol=1e-4), (name, parameter)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_share_of_the_data_is_the_first_questions_of_one_draw(trained, tmp_path, share):
    task, train, _, heads = trained
    stores = heads.parent
    bv.run("bv_train", "--store", stores / "train-states.h5", "--dev-store", stores / "dev-states.h5", "--heads", HEADS[task][0], "--share", share,
           "--output", tmp_path, "--epochs", 1, "--batch", BATCH, "--seed", SEED, "--data-seed", DATA_SEED, "--device", "cpu")
    (folder,) = tmp_path.glob(f"*/epoch-*/lr-0.001-seed-{SEED}-share-{share}")
    with h5py.File(stores / "train.h5") as file:
        question_of, questions = file["features/question_of"][:], len(file["features/questions/context"])
    chosen = set(epoch_order(DATA_SEED, 0, questions)[:math.floor(share * questions + 0.5)])
    order = [feature for feature in epoch_order(DATA_SEED, 0, len(train)) if question_of[feature] in chosen]
    head = TorchHead(json.loads((folder / "head.json").read_text())["definition"], train.states.shape[0], train.states.shape[2], SEED)
    losses = train_epoch(head, KerasAdam(list(head.parameters.values())), task, train, order)
    (found,) = bv.read_json_lines(folder / "metrics.jsonl")
    assert 0 < len(order) < len(train) and found["sequences"] == len(order)
    assert found["loss"] == pytest.approx(losses / len(order), rel=1e-4)


def test_learned_layer_weights_are_those_of_the_tensors(trained):
    task, _, _, heads = trained
    folder = result_of(heads, HEADS[task][0])
    (learned,) = bv.read_json(folder / "head.json")["layer_weights"]
    tensors = load_file(folder / "head.safetensors")
    assert learned["weights"] == pytest.approx(torch.softmax(tensors["0.learned_pooling.weights"].double(), 0).tolist())
    assert learned["gamma"] == pytest.approx(tensors["0.learned_pooling.gamma"].item())


DEFINITIONS = {path.stem: path.read_text() for path in sorted((bv.SOURCE / "configs" / "heads").glob("*.toml"))}
# In training with dropout a head's masks are bv_train's own; tests/heads has them.
MODES = [(name, mode) for name, definition in DEFINITIONS.items()
         for mode in (["evaluation"] if '"dropout"' in definition else ["evaluation", "training"])]


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_a_batch_gives_torchs_logits_gradients_and_running_statistics(name, mode, tmp_path):
    definition = DEFINITIONS[name]
    torch.manual_seed(5)
    span = 'task = "span"' in definition
    # Forty batch normalisations over a few rows amplify float32's rounding by a hundred thousand.
    dtype, tolerance = (torch.float64, 1e-8) if '"batch_norm"' in definition else (torch.float32, 1e-4)
    lengths = torch.tensor([9, 2, 17, 4] if span else [1] * 6)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    batch = {
        "states": torch.randn(5, int(lengths.sum()), 96, dtype=dtype),
        "starts": starts,
        "start_labels": starts[:-1] + lengths // 3,
        "end_labels": starts[:-1] + lengths // 2,
        "no_answer": torch.arange(len(lengths)) % 2,
    }
    save_file(batch, tmp_path / "batch.safetensors")
    bv.run("head_probe", name, SEED, mode, tmp_path / "batch.safetensors", tmp_path / "found.safetensors")
    found = load_file(tmp_path / "found.safetensors")

    head = TorchHead(definition, 5, 96, SEED)
    for parameter, value in head.parameters.items():
        assert torch.equal(found["initial." + parameter], value), parameter
    head.to(dtype)
    head.training = mode == "training"
    logits = head(batch["states"], batch["starts"])
    cross_entropy = torch.nn.functional.cross_entropy
    if span:
        loss = sum(cross_entropy(own[:, end][None], (batch[labels] - starts[:-1])[b:b + 1], reduction="sum")
                   for b, own in enumerate(logits.split(lengths.tolist()))
                   for end, labels in enumerate(["start_labels", "end_labels"]))
    else:
        loss = cross_entropy(logits, batch["no_answer"], reduction="sum")
    loss.backward()

    def close(ours, theirs, what):
        assert ours.shape == theirs.shape, what
        assert (ours - theirs).abs().max() <= tolerance * (theirs.abs().max() + 1e-2), what

    close(found["logits"], logits.detach(), "logits")
    close(found["loss"], loss.detach().reshape(1), "loss")
    for parameter, value in head.parameters.items():
        close(found["gradient." + parameter], value.grad, parameter)
    for buffer, value in head.buffers.items():
        close(found["buffer." + buffer], value, buffer)
    prefixes = {"initial.": head.parameters, "gradient.": head.parameters, "buffer.": head.buffers}
    assert found.keys() == {"logits", "loss"} | {prefix + key for prefix, keys in prefixes.items() for key in keys}
