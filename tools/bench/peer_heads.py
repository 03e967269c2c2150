#!/usr/bin/env python3
"""Trains a head by PyTorch and h5py on a file in the reference's layout, for comparison with bv_train.

`write` makes the reference's file from an embedding store: states (features, max_tokens, H, L) in float32, zeros after
the tokens, one chunk for each example, and start and end labels.

`train` uses it as a careful Python job does: a Dataset that every worker opens for itself, a DataLoader of shuffled
batches of 16, Adam at 1e-3, the cross-entropies of start and end over all positions, one epoch. The head comes
from bv_train and is rebuilt by tools/read_head.py; it begins with its trained tensors, because times do not depend on them.
Prints {"sequences", "seconds", "loss"}: the seconds of the whole epoch, and the mean loss of a sequence.

example:
  peer_heads.py write store.h5 padded.h5 && peer_heads.py train padded.h5 --head heads/learned_pooling/epoch-3/lr-0.001-seed-1
"""
import argparse
import json
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from read_head import Head
from read_store import Store


def write(store, path, max_tokens):
    layers, _, hidden = store.file["states"].shape
    shape = (len(store), max_tokens, hidden, layers)
    with h5py.File(path, "w") as file:
        padded = file.create_dataset("states", shape, "f4", chunks=(1, *shape[1:]))
        for feature in range(len(store)):
            states = store.states(feature)
            example = np.zeros(shape[1:], np.float32)
            example[: states.shape[1]] = states.transpose(1, 2, 0)
            padded[feature] = example
        for side in ("start", "end"):
            file[side] = store.file[f"features/{side}_label"][:].astype(np.int64)


class PaddedStates(Dataset):
    """Examples (states, start, end). The file is opened when the first example is read, by the worker that reads it."""

    def __init__(self, path):
        self.path, self.states = path, None
        with h5py.File(path) as file:
            self.start, self.end = file["start"][:], file["end"][:]

    def __len__(self):
        return len(self.start)

    def __getitem__(self, index):
        if self.states is None:
            self.states = h5py.File(self.path)["states"]
        return self.states[index], self.start[index], self.end[index]


def train(path, head, workers):
    head.training = True
    parameters = [tensor.requires_grad_() for name, tensor in head.tensors.items() if not name.endswith((".mean", ".variance"))]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    examples = PaddedStates(path)
    loader = DataLoader(examples, batch_size=16, shuffle=True, num_workers=workers)
    total = 0.0
    began = time.perf_counter()
    for states, start, end in loader:
        count, tokens = states.shape[:2]
        rows = states.permute(3, 0, 1, 2).flatten(1, 2)  # a view: (L, count * tokens, H)
        logits = head(rows, torch.arange(count + 1) * tokens).view(count, tokens, 2)
        loss = F.cross_entropy(logits[..., 0], start) + F.cross_entropy(logits[..., 1], end)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * count
    return dict(sequences=len(examples), seconds=time.perf_counter() - began, loss=total / len(examples))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    writing = actions.add_parser("write", help="make the reference's file from a store of the span task")
    writing.add_argument("store")
    writing.add_argument("file")
    writing.add_argument("--max-tokens", type=int, default=386, help="rows of an example [%(default)s]")
    training = actions.add_parser("train", help="train a head over the file for one epoch")
    training.add_argument("file")
    training.add_argument("--head", required=True, help="folder of bv_train with head.json and head.safetensors")
    training.add_argument("--workers", type=int, default=0, help="number of further processes that load examples [%(default)s]")
    options = parser.parse_args()
    if options.action == "write":
        write(Store(options.store), options.file, options.max_tokens)
    else:
        print(json.dumps(train(options.file, Head.load(options.head), options.workers)))


if __name__ == "__main__":
    main()
