"""The items of tools/bench/gpu.py that measure. Each is a function of a Bench and of the dictionary for its numbers, as in
gpu_items.py."""

import math
import re
import shutil
import sys

from gpu_bench import read_json
from gpu_items import extract, train_heads, zoo

from programs import HERE, REPOSITORY, read_lines, read_steps

WARM_UP_STEPS = 5
PHASES = ("data", "forward", "backward", "all_reduce", "optimizer")
WANTED_SHARE = 0.95  # of the encoder's own rate that extraction shall reach where the disk keeps up
STUDIES = {1: "reference.toml", 8: "reference_8_gpus.toml"}  # by number of GPUs
CHECKED_SHARE = 0.05  # of an epoch, whose time is predicted and measured


def seconds_of(steps):
    return sum(sum(line["phases"].values()) for line in steps)


def speed(bench, numbers):
    """Times fine-tuning in bfloat16 on one GPU and on all, and transformers (SDPA, padded to the longest) on one."""
    steps = WARM_UP_STEPS + bench.options.steps
    numbers |= dict(mean_tokens=bench.mean_tokens, rows=[])
    for ranks in sorted({1, bench.gpus}):
        batch, run = bench.options.batch * ranks, bench.folder / f"{ranks}-gpus"
        bench.run(*bench.finetune(ranks, run, "--precision", "bfloat16", "--batch", batch, "--checkpoints",
                                  bench.epoch_of(steps, batch), "--resume", "never", "--resume-every", 0, "--force"))
        lines = read_steps(run / "metrics/finetune.jsonl")[WARM_UP_STEPS:]
        seconds = seconds_of(lines)
        numbers["rows"].append(dict(
            gpus=ranks, batch=batch, sequences_per_second=sum(line["sequences"] for line in lines) / seconds,
            tokens_per_second=sum(line["tokens"] for line in lines) / seconds,
            shares={name: sum(line["phases"][name] for line in lines) / seconds for name in PHASES}))
        shutil.rmtree(run)
    peer, batch = bench.folder / "peer", bench.options.batch
    bench.run(sys.executable, HERE / "peer_finetune.py", "--model", bench.model, "--train", bench.text, "--batch", batch,
              "--micro-batches", 1, "--bf16", "--device", bench.device, "--steps", steps, "--epochs",
              math.ceil(steps * batch / bench.sequences) + 1, "--output", peer)
    lines = read_lines(peer / "steps.jsonl")[WARM_UP_STEPS:]
    seconds = sum(line["seconds"] for line in lines)
    numbers["transformers"] = dict(batch=batch, sequences_per_second=sum(line["sequences"] for line in lines) / seconds,
                                   tokens_per_second=sum(line["tokens"] for line in lines) / seconds)
    flop = bench.sizes.training_flop(bench.attended())
    for row in numbers["rows"]:
        row["tflop_per_second_and_gpu"] = row["tokens_per_second"] * flop / 1e12 / row["gpus"]


def forward_rate(bench, features, mean_tokens):
    """The rate of the encoder alone."""
    untrained = bench.folder / "untrained"  # the model with an answer head, because bv_eval refuses a model without one
    bench.run(*bench.finetune(1, untrained, "--checkpoints", 0, "--resume", "never", "--force"))
    said = bench.run(*bench.on_ranks(bench.gpus, "bv_eval", "--checkpoint", untrained / "checkpoints/epoch-0", "--features",
                                     features, "--output", bench.folder / "forward", "--device", bench.device, "--force"))
    shutil.rmtree(untrained)
    # Rank 0 logs only its own rate.
    sequences = float(re.findall(r"predicting .*? \(([\d.e+]+) features/s\)", said)[-1]) * bench.gpus
    return dict(sequences_per_second=sequences, tokens_per_second=sequences * mean_tokens)


def extraction(bench, numbers):
    """Times the encoder alone, and writing its states into a store; then times heads on that store.

    A GPU makes the states of all layers of BERT-Large faster than a disk takes them. Therefore the last layer's states alone are
    written too, of so many more questions that the store is as large.
    """
    store, last = bench.folder / "states.h5", bench.sizes.num_hidden_layers
    few, *_ = bench.features_of("few", bench.options.few)
    many, sequences, mean_tokens = bench.features_of("many", bench.options.few * (last + 1))
    forward = numbers["forward"] = forward_rate(bench, many, mean_tokens)
    numbers |= dict(sequences=sequences, mean_tokens=mean_tokens, wanted_share_of_forward=WANTED_SHARE, extraction={})
    for name, features, layers in (("last layer", many, last), ("all layers", few, "all")):
        found = numbers["extraction"][name] = extract(bench, store, features, "--layers", layers)
        share = found["tokens_per_second"] / forward["tokens_per_second"]
        found |= dict(share_of_forward=share, met=share >= WANTED_SHARE)
    small, seeds = "learned_pooling", ",".join(map(str, range(1, 21)))
    numbers["head_seconds"] = {}
    for name, flags in {"one": ("--heads", small), "20 alike": ("--heads", small, "--seed", seeds),
                        "all of the zoo": ("--heads", ",".join(zoo(bench)))}.items():
        numbers["head_seconds"][name] = train_heads(bench, store, bench.folder / "epoch", bench.device, *flags)
    store.unlink()


def plan(bench, ranks, *flags):
    """(what bv_plan prints for the reference's study on so many GPUs, the results that it writes)."""
    output = bench.folder / f"plan-{ranks}.json"
    said = bench.run(*bench.on_ranks(1, "bv_plan", "--config", REPOSITORY / "configs" / STUDIES[ranks], "--model", bench.model,
                                     "--device", bench.device, "--folder", bench.folder, "--ranks", ranks, "--output", output,
                                     "--force", *flags))
    return said, read_json(output)


def check_prediction(bench, rate):
    """Fine-tunes for a small part of an epoch on one GPU, with the reference's settings: (time predicted from the measured rate of
    fine-tuning, tokens/s; time of the steps; their ratio)."""
    run = bench.folder / "predicted"
    said, planned = plan(bench, 1, "--features", bench.features, "--dev-features", bench.features, "--train-rate", rate)
    bench.run(*bench.on_ranks(1, "bv_finetune", "--config", REPOSITORY / "configs" / STUDIES[1], "--model", bench.model,
                              "--features", bench.features, "--checkpoints", CHECKED_SHARE, "--device", bench.device,
                              "--resume", "never", "--output", run, "--force"))
    steps = read_steps(run / "metrics/finetune.jsonl")
    shutil.rmtree(run)
    epochs = float(re.search(r"fine-tuning to epoch ([\d.]+)", said)[1])
    share = sum(line["sequences"] for line in steps) / bench.sequences
    predicted, measured = planned["tasks"]["span"]["tuning_seconds"] * share / epochs, seconds_of(steps)
    return dict(share_of_epoch=share, steps=len(steps), predicted_seconds=predicted, measured_seconds=measured,
                first_step_seconds=seconds_of(steps[:1]), measured_over_predicted=measured / predicted)


def study(bench, numbers):
    """Estimates the reference's whole study from the rates of this machine, on one GPU and on eight; checks a prediction."""
    said, alone = plan(bench, 1, "--measure")
    numbers |= dict(check={}, hours={1: alone["seconds"] / 3600}, plans={1: alone})
    numbers["check"] |= check_prediction(bench, re.search(r"fine-tuning (\d+) and encoding", said)[1])
    _, numbers["plans"][8] = plan(bench, 8, "--measure")
    numbers["hours"][8] = numbers["plans"][8]["seconds"] / 3600


RATES = {"speed": speed, "extraction": extraction, "study": study}
