#!/usr/bin/env python3
"""Reads heads of bv_train (format: src/heads/FORMAT.md) into PyTorch.

    head = Head.load("heads/adapter_64_shared/epoch-3/lr-0.001-seed-1")
    head(states)             # (N, 2) logits from the states (L, N, H) of a sequence, a numpy array or a tensor
    head(states, starts)     # for several sequences; `starts` holds the first row of each, and at the end N

As a program, computes a head's logits over an embedding store, in the file format of bv_eval:
read_head.py HEAD --store FILE --output logits.safetensors
"""

import argparse
import json
import math
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F
from read_store import Store
from safetensors.torch import load_file, save_file

VERSION = 2


def same_padding(width, reach, stride):
    """The numbers of zeros that Keras's padding "same" adds at the beginning and at the end."""
    total = max((math.ceil(width / stride) - 1) * stride + reach - width, 0)
    return total // 2, total - total // 2


class Head:
    """A head. PyTorch's own functions compute its blocks; its tensors have bv_train's names."""

    def __init__(self, definition, tensors):
        self.blocks = tomllib.loads(definition)["blocks"]
        self.tensors = tensors
        self.training = False  # True takes batch normalisation's statistics from the batch, and drops at random

    @classmethod
    def load(cls, folder):
        """Reads a trained head from its folder; `about` is the content of its head.json."""
        about = json.loads((Path(folder) / "head.json").read_text(encoding="utf-8"))
        if about["version"] != VERSION:
            raise ValueError(f"{folder}: version {about['version']} of the format; this reads version {VERSION}")
        head = cls(about["definition"], load_file(Path(folder) / "head.safetensors"))
        head.about = about
        return head

    def __call__(self, states, starts=None):
        """states (L, N, H) of sequences that begin at rows `starts`, whose last is N -> logits (N, 2), a tensor.

        States may be a numpy array, of any floating-point type, or a tensor of the type of the head's tensors, float32.
        """
        if not torch.is_tensor(states):
            states = torch.from_numpy(states).float()
        self.states = states
        self.lengths = torch.diff(torch.as_tensor(starts)).tolist() if starts is not None else [states.shape[1]]
        return self._run_chain(self.blocks, "", states)

    def _run_chain(self, blocks, prefix, x):
        for place, block in enumerate(blocks):
            x = self._run(block, f"{prefix}{place}.{block['type']}.", x)
        return x

    def _run(self, block, name, x):
        kind = block["type"]
        own = {key[len(name):]: value for key, value in self.tensors.items() if key.startswith(name)}
        if kind == "learned_pooling":
            return own["gamma"] * torch.einsum("l,lnw->nw", torch.softmax(own["weights"], 0), x)
        if kind == "average_pooling":
            return x.mean(0)
        if kind == "adapter":
            equation = "lnw,dw->lnd" if own["weight"].dim() == 2 and x.dim() == 3 else (
                "nw,dw->nd" if x.dim() == 2 else "lnw,ldw->lnd")
            bias = own["bias"] if own["bias"].dim() == 1 else own["bias"][:, None]
            return F.gelu(torch.einsum(equation, x, own["weight"]) + bias, approximate="tanh")
        if kind == "flatten":
            return x.permute(1, 2, 0).flatten(1)
        if kind == "unflatten":
            return x.unflatten(1, (-1, block["channels"])).permute(2, 0, 1)
        if kind == "skip":
            return torch.cat([x, self.states[-1]], 1)
        if kind == "linear":
            return F.linear(x, own["weight"], own["bias"])
        if kind == "conv":
            return self._convolve(block, x, own["weight"], own.get("bias"), 1)
        if kind == "separable_conv":
            y = self._convolve(block, x, own["depthwise"], None, x.shape[0])
            return F.conv2d(y[None], own["pointwise"], own.get("bias"))[0]
        if kind == "pool":
            return self._pool(block, x)
        if kind == "global_average_pool":
            return x.mean(2).T
        if kind == "batch_norm":
            y = F.batch_norm(x[None] if x.dim() == 3 else x, own["mean"], own["variance"], own["scale"], own["shift"],
                             self.training, 0.01, 1e-3)
            return y[0] if x.dim() == 3 else y
        if kind == "relu":
            return x.relu()
        if kind == "gelu":
            return F.gelu(x, approximate="tanh")
        if kind == "dropout":
            return F.dropout(x, block["rate"], self.training)
        if kind == "repeat":
            for turn in range(block["times"]):
                x = self._run_chain(block["blocks"], f"{name}{turn}.", x)
            return x
        if kind == "residual":
            return self._run_chain(block["blocks"], name + "blocks.", x) + self._run_chain(
                block.get("shortcut", []), name + "shortcut.", x)
        if kind == "branches":
            outputs = [self._run_chain(own, f"{name}{b}.", x) for b, own in enumerate(block["of"])]
            return torch.cat(outputs, 0 if outputs[0].dim() == 3 else 1)
        raise ValueError(kind)

    def _convolve(self, block, x, weight, bias, groups):
        tokens, kernel = weight.shape[2:]
        stride, dilation = block.get("stride", 1), block.get("dilation", 1)
        sides = (0, 0)
        if block.get("padding", "same") == "same":
            sides = same_padding(x.shape[2], (kernel - 1) * dilation + 1, stride)
        above = (tokens - 1) // 2
        outputs = [F.conv2d(F.pad(own, (*sides, above, tokens - 1 - above))[None], weight, bias, (1, stride), 0,
                            (1, dilation), groups)[0] for own in x.split(self.lengths, 1)]
        return torch.cat(outputs, 1)

    def _pool(self, block, x):
        kernel, stride = block.get("kernel", 1), block.get("stride", 1)
        sides = (0, 0)
        if block.get("padding", "same") == "same":
            sides = same_padding(x.shape[2], kernel, stride)
        if block.get("of", "average") == "max":
            return F.pad(x, sides, value=-math.inf).unfold(2, kernel, stride).amax(3)
        seen = F.pad(torch.ones_like(x), sides).unfold(2, kernel, stride).sum(3)
        return F.pad(x, sides).unfold(2, kernel, stride).sum(3) / seen


def logits_of(head, store):
    """Logits (N, 2) of all rows of a store, in the order of the features file."""
    if store.task != head.about["task"]:
        raise ValueError(f"a head for the {head.about['task']} task cannot read states for {store.task}")
    layers = store.layers.tolist()
    before = store.file["states"].shape[0] - len(layers)  # in classification 1, for the pooled output
    wanted = [*range(before), *(before + layers.index(layer) for layer in head.about["layers"])]
    wanted = wanted[-head.about["states"]:]  # a head for one layer reads only the state of that layer
    with torch.no_grad():
        return torch.cat([head(store.states(feature)[wanted]) for feature in range(len(store))])


def main():
    parser = argparse.ArgumentParser(description="Computes a trained head's logits over an embedding store by PyTorch.")
    parser.add_argument("head", help="folder of bv_train with head.json and head.safetensors")
    parser.add_argument("--store", required=True, help="embedding store of bv_extract")
    parser.add_argument("--output", required=True, help="logits file to write, as bv_eval's logits.safetensors")
    options = parser.parse_args()
    store = Store(options.store)
    logits = logits_of(Head.load(options.head), store)
    tensors = {"logits": logits} if store.task == "classification" else {
        "start": logits[:, 0].contiguous(), "end": logits[:, 1].contiguous()}
    save_file(tensors, options.output, metadata={"task": store.task, "features": store.features_fingerprint})


if __name__ == "__main__":
    main()
