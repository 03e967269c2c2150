#!/usr/bin/env python3
"""Computes all hidden states of a features file by Hugging Face Transformers, for comparison with bv_extract.

Works as a careful Python job: sequences sorted by length, so that batches hold little padding, bfloat16 autocast, inference
mode, output_hidden_states. It only encodes, or writes the states in the layout of the reference, (features, max_tokens, H, L)
in float32, through h5py, in one process, one batch at a time. Prints {"tokens", "seconds", "bytes"}.
"""
import argparse
import json
import time

import h5py
import numpy as np
import torch
from transformers import BertModel


def read_sequences(path):
    with h5py.File(path) as file:
        table = file["features"]
        starts, ids, segments = (table[name][:].astype(np.int64) for name in ("starts", "ids", "segments"))
    bounds = list(zip(starts[:-1], starts[1:]))
    return [(ids[a:b], segments[a:b]) for a, b in bounds]


def padded(sequences):
    longest = max(len(ids) for ids, _ in sequences)
    batch = torch.zeros(3, len(sequences), longest, dtype=torch.int64)
    for row, (ids, segments) in enumerate(sequences):
        batch[0, row, : len(ids)] = torch.from_numpy(ids)
        batch[1, row, : len(ids)] = torch.from_numpy(segments)
        batch[2, row, : len(ids)] = 1
    return dict(zip(("input_ids", "token_type_ids", "attention_mask"), batch))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--features", required=True, help="features file of bv_prepare")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=386, help="rows of a feature in the reference's layout")
    parser.add_argument("--store", help="write the states here, in the reference's layout")
    args = parser.parse_args()

    model = BertModel.from_pretrained(args.model).eval()
    sequences = sorted(read_sequences(args.features), key=lambda sequence: -len(sequence[0]))
    layers, hidden = model.config.num_hidden_layers + 1, model.config.hidden_size
    store = None
    if args.store:
        store = h5py.File(args.store, "w").create_dataset("states", (len(sequences), args.max_tokens, hidden, layers), "f4")
    tokens = 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        model(**padded(sequences[-args.batch:]), output_hidden_states=True)  # the first call allocates memory, so it is not timed
        began = time.perf_counter()
        for first in range(0, len(sequences), args.batch):
            batch = sequences[first: first + args.batch]
            states = model(**padded(batch), output_hidden_states=True).hidden_states
            tokens += sum(len(ids) for ids, _ in batch)
            if store is not None:
                rows = np.zeros((len(batch), args.max_tokens, hidden, layers), np.float32)
                rows[:, : states[0].shape[1]] = torch.stack(states, -1).float().numpy()
                store[first: first + len(batch)] = rows
        if store is not None:
            store.file.close()
        seconds = time.perf_counter() - began
    size = len(sequences) * args.max_tokens * hidden * layers * 4 if args.store else 0
    print(json.dumps({"tokens": tokens, "seconds": seconds, "bytes": size}))


if __name__ == "__main__":
    main()
