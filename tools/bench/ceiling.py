#!/usr/bin/env python3
"""Measures how fast two threads of this machine are: Torch's matrix products in the shapes of a model, and memory.

Prints one JSON object. It has the GFLOP/s of an encoder layer's linear layers (forward) over --tokens tokens, in bfloat16 and
float32, with the fastest run of each shape, and the bytes per second at which the model's gradients are copied. finetune.py
runs this script.
"""
import argparse
import json
import time

import torch
from bert_sizes import BertSizes


def fastest(work, seconds):
    """The seconds of the shortest of the runs of `work` that fit into `seconds`. The first run is cold and does not count."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def product_rate(sizes, tokens, dtype, seconds):
    spent = flop = 0
    for outputs, inputs in sizes.linear_shapes():
        states = torch.randn(tokens, inputs).to(dtype)
        weights = torch.randn(outputs, inputs).to(dtype)
        spent += fastest(lambda: states @ weights.T, seconds)
        flop += 2 * tokens * outputs * inputs
    return flop / spent / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face BERT folder")
    parser.add_argument("--tokens", type=int, required=True, help="tokens of a batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="seconds to spend on each shape")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = BertSizes.of_folder(options.model)
    found = {str(dtype).removeprefix("torch."): product_rate(sizes, options.tokens, dtype, options.seconds)
             for dtype in (torch.bfloat16, torch.float32)}
    gradients = torch.zeros(sizes.gradient_bytes() // 4)
    copy = torch.empty_like(gradients)
    found["copy_bytes_per_second"] = sizes.gradient_bytes() / fastest(lambda: copy.copy_(gradients), options.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
