#!/usr/bin/env python3
"""Repeats a run of bv_finetune in Hugging Face Transformers, step by step, and compares the losses.

The run must have been made with --task span --no-dropout and --checkpoints that begin with 0: training here starts from
that checkpoint's weights, takes the same batches in the same order (src/comm/sharding.hpp) and the run's own recipe
(finetune.toml), in float32. Prints both losses of each step, and the relative difference of the norms of all
gradients. Ends with exit code 1 if a loss differs by more than --within, or a norm by more than ten times that.
"""
import argparse
import json
import sys
import time
import tomllib
from pathlib import Path

import h5py
import numpy as np
import torch
from transformers import BertForQuestionAnswering, get_constant_schedule, get_linear_schedule_with_warmup

from programs import counted

MICRO_BATCH = 4


def mix(x):
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def epoch_order(seed, epoch, count):
    with np.errstate(over="ignore"):
        base = mix(np.uint64(seed)) + (np.uint64(epoch) << np.uint64(32))
        return np.argsort(mix(base + np.arange(count, dtype=np.uint64)), kind="stable")


def batch_loss(model, rows, table, starts, scale):
    """Summed cross-entropies over each sequence's own tokens, as one padded batch with the padding masked out."""
    width = max(int(starts[f + 1] - starts[f]) for f in rows)
    ids, segments, mask = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    for b, f in enumerate(rows):
        size = int(starts[f + 1] - starts[f])
        ids[b, :size] = torch.from_numpy(table["ids"][starts[f]:starts[f + 1]].astype(np.int64))
        segments[b, :size] = torch.from_numpy(table["segments"][starts[f]:starts[f + 1]].astype(np.int64))
        mask[b, :size] = 1
    ids, segments, mask = (tensor.to(model.device) for tensor in (ids, segments, mask))
    out = model(input_ids=ids, token_type_ids=segments, attention_mask=mask)
    loss = 0
    for logits, labels in ((out.start_logits, table["start_label"]), (out.end_logits, table["end_label"])):
        logits = logits.masked_fill(mask == 0, -torch.inf)
        wanted = torch.tensor([int(labels[f]) for f in rows], device=model.device)
        loss = loss + torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    return loss * scale


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="OUTPUT of bv_finetune")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--within", type=float, default=1e-4, help="largest relative difference allowed")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path, help="file for the largest differences")
    args = parser.parse_args()

    recipe = tomllib.loads((args.run / "finetune.toml").read_text(encoding="utf-8"))["finetune"]
    lines = [json.loads(line) for line in (args.run / "metrics" / "finetune.jsonl").read_text().splitlines()]
    ours = [line["loss"] for line in lines if "step" in line]
    norms = [line["gradient_norm"] for line in lines if "step" in line]
    with h5py.File(recipe["features"]) as file:
        table = {name: file["features"][name][:] for name in ("starts", "ids", "segments", "start_label", "end_label")}
    starts = table["starts"]
    count, batch = len(starts) - 1, int(recipe["batch"])

    model = BertForQuestionAnswering.from_pretrained(args.run / "checkpoints" / "epoch-0").eval().to(args.device)
    named = list(model.named_parameters())
    groups = [dict(params=[p for _, p in named if p.dim() > 1], weight_decay=float(recipe["weight_decay"])),
              dict(params=[p for _, p in named if p.dim() == 1], weight_decay=0.0)]
    if recipe["epsilon_kind"] != "torch":
        sys.exit("training_parity: torch's Adam has no Keras epsilon; make the run with --epsilon-kind torch")
    optimizer = torch.optim.AdamW if recipe["optimizer"] == "adamw" else torch.optim.Adam
    optimizer = optimizer(groups, lr=float(recipe["learning_rate"]), eps=float(recipe["epsilon"]))
    total = len(ours)
    schedule = (get_linear_schedule_with_warmup(optimizer, int(float(recipe["warm_up"]) * total), total)
                if recipe["schedule"] == "linear" else get_constant_schedule(optimizer))
    clip = float(recipe["clip"])
    scale = 0.5 if recipe["loss"] == "mean" else 1.0

    worst, worst_norm, began = 0.0, 0.0, time.time()
    steps_per_epoch = -(-count // batch)
    for step in range(min(args.steps, total)):
        order = epoch_order(int(recipe["seed"]), step // steps_per_epoch, count)
        at = step % steps_per_epoch * batch
        rows = sorted(order[at:at + batch], key=lambda f: starts[f + 1] - starts[f])
        loss = 0.0
        for first in range(0, len(rows), MICRO_BATCH):  # sequences of similar lengths: little padding, and the same sum
            part = batch_loss(model, rows[first:first + MICRO_BATCH], table, starts, scale / len(rows))
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip if clip > 0 else torch.inf).item()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        difference = abs(ours[step] - loss) / abs(loss)
        norm_difference = abs(norms[step] - norm) / norm
        worst, worst_norm = max(worst, difference), max(worst_norm, norm_difference)
        print(f"step {step + 1}: ours {ours[step]:.6f}, transformers {loss:.6f}, relative difference {difference:.1e}, "
              f"of the gradients' norms {norm_difference:.1e}", flush=True)
    print(f"largest relative difference over {counted(min(args.steps, total), 'step')}: {worst:.1e}, of the gradients' norms "
          f"{worst_norm:.1e}; transformers took {time.time() - began:.0f} s")
    if args.json:
        args.json.write_text(json.dumps(dict(loss=worst, gradient_norm=worst_norm)), encoding="utf-8")
    sys.exit(worst > args.within or worst_norm > 10 * args.within)


if __name__ == "__main__":
    main()
