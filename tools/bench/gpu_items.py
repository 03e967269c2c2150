"""The items of tools/bench/gpu.py. Each is a function of a Bench and of the dictionary for its numbers.

An item stores a number as soon as it is known, so that the number is kept if the item's time is over. An item raises
BenchError if a requirement does not hold.
"""

import hashlib
import math
import os
import random
import re
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from gpu_bench import Missing, OutOfTime, read_json
from jobs import read_lines, read_steps

from programs import HERE, REPOSITORY, BenchError

WARM_UP_STEPS = 5
PHASES = ("data", "forward", "backward", "all_reduce", "optimizer")
WITHIN = {"float32": 1e-4, "bfloat16": 2e-2}  # largest relative difference to transformers' float32
SANITIZERS = ("memcheck", "racecheck", "initcheck")
EQUAL_STEPS, MOST_KILLS = 50, 20


def test_programs(bench):
    """The commands of the tests of label gpu, by name."""
    programs = {path.name: [path] for path in sorted(bench.programs.glob("test_*_gpu"))}
    if (bench.programs / "test_dist_nccl").is_file():  # each rank needs a GPU of its own
        programs["test_dist_nccl"] = bench.on_ranks(bench.gpus, "test_dist_nccl")
    return programs


def tests(bench, numbers):
    """The tests of label gpu."""
    for name, command in test_programs(bench).items():
        code, said = bench.attempt(*command)
        count = {kind: len(re.findall(rf"^\[ *{word} *\] .* \(\d+ ms\)$", said, re.MULTILINE))
                 for kind, word in (("passed", "OK"), ("failed", "FAILED"), ("skipped", "SKIPPED"))}
        numbers[name] = count | {"exit_code": code}
    wrong = [name for name, found in numbers.items() if found["exit_code"] != 0]
    if wrong:
        raise BenchError(f"failed: {', '.join(wrong)}")
    if not any(found["passed"] for found in numbers.values()):
        raise Missing("every test was skipped: the programs see no GPU")


def self_test(bench, numbers):
    """All GPUs together train the same model as one of them."""
    for precision in WITHIN:
        said = bench.run(*bench.finetune(bench.gpus, bench.folder / "self-test", "--precision", precision, "--batch",
                                         8 * bench.gpus, "--self-test"))
        numbers[precision] = re.search(r"self-test passed: (.*)", said)[1]


def transformers_states(bench):
    """(function of ids and segments to hidden states), in float32 on the device."""
    import torch
    from transformers import BertModel
    torch.backends.cuda.matmul.allow_tf32 = False
    model = BertModel.from_pretrained(bench.model, add_pooling_layer=False).eval().to(bench.device)

    @torch.no_grad()
    def states(ids, segments):
        ids, segments = (torch.as_tensor(row.astype("int64"), device=bench.device)[None] for row in (ids, segments))
        found = model(input_ids=ids, token_type_ids=segments, output_hidden_states=True).hidden_states
        return torch.cat(found).float().cpu().numpy()
    return states


def parity(bench, numbers):
    """Compares hidden states, losses and gradients with transformers in float32 on the same device."""
    import h5py
    import numpy as np
    sys.path.insert(0, str(REPOSITORY / "tools"))
    from read_store import Store
    peer, sequences = transformers_states(bench), 8
    features, store = bench.folder / "sequences.h5", bench.folder / "parity.h5"
    bench.run(bench.program("bv_prepare"), "--squad", bench.text, "--model", bench.model, "--limit", sequences, "--unfound",
              "keep", "--output", features, "--force")
    with h5py.File(features) as file:
        starts, ids, segments = (file["features"][name][:] for name in ("starts", "ids", "segments"))
    wrong = []
    for precision, within in WITHIN.items():
        bench.run(*bench.on_ranks(1, "bv_extract", "--checkpoint", bench.model, "--features", features, "--task", "span",
                                  "--dtype", "float32", "--device", bench.device, "--precision", precision, "--store", store,
                                  "--force"))
        ours, differences = Store(store), []
        for feature in range(len(starts) - 1):
            rows = slice(starts[feature], starts[feature + 1])
            wanted = peer(ids[rows], segments[rows])
            error = ours.states(feature) - wanted
            differences.append(np.linalg.norm(error, axis=(1, 2)) / np.linalg.norm(wanted, axis=(1, 2)))
        ours.file.close()
        numbers[f"states_{precision}"] = float(np.max(differences))
        if not numbers[f"states_{precision}"] <= within:
            wrong.append(f"states in {precision}")
        run, found = bench.folder / "parity", bench.folder / "parity.json"
        bench.run(*bench.finetune(1, run, "--no-dropout", "--precision", precision, "--batch", 8, "--checkpoints",
                                  f"0,{bench.epoch_of(5, 8)}", "--resume", "never", "--resume-every", 0, "--force"))
        code, _ = bench.attempt(sys.executable, HERE / "training_parity.py", run, "--steps", 5, "--within", within, "--device",
                                bench.device, "--json", found)
        if found.is_file():
            numbers |= {f"{name}_{precision}": value for name, value in read_json(found).items()}
            found.unlink()
        if code != 0:
            wrong.append(f"losses or gradients in {precision}")
    if wrong:
        raise BenchError(f"too far from transformers: {', '.join(wrong)}")


def zoo(bench):
    """The heads for the span task of configs/minilm.toml."""
    said = bench.run(bench.program("bv_plan"), "--config", REPOSITORY / "configs/minilm.toml", "--print")
    return shlex.split(re.search(r"^study_span_heads=\((.*)\)$", said, re.MULTILINE)[1])


def extract(bench, store, features, *flags):
    """Runs bv_extract on all GPUs; returns (tokens/s, MB/s, share of the time that it waited for the disk)."""
    said = bench.run(*bench.on_ranks(bench.gpus, "bv_extract", "--checkpoint", bench.model, "--features", features, "--task",
                                     "span", "--device", bench.device, "--store", store, "--force", *flags))
    rates = re.search(r"([\d.]+) tokens/s, ([\d.]+) MB/s, (\d+) % of the time waiting", said)
    return float(rates[1]), float(rates[2]), float(rates[3]) / 100


def train_heads(bench, store, output, device, *flags):
    """Trains heads for one epoch on one rank; returns the seconds of the epoch."""
    shutil.rmtree(output, ignore_errors=True)
    bench.run(*bench.on_ranks(1, "bv_train", "--store", store, "--dev-store", store, "--epochs", 1, "--device", device,
                              "--output", output, *flags))
    lines = [read_lines(path)[-1] for path in output.glob("*/*/*/metrics.jsonl")]
    return max(line["seconds"] for line in lines)


def heads(bench, numbers):
    """Compares every head on a GPU with the same head on the CPU: the loss of one epoch, and the logits of the trained head."""
    import numpy as np
    from safetensors.numpy import load_file
    features, store = bench.folder / "heads.h5", bench.folder / "heads-states.h5"
    bench.run(bench.program("bv_prepare"), "--squad", bench.text, "--model", bench.model, "--limit", 16, "--unfound", "keep",
              "--output", features, "--force")
    extract(bench, store, features, "--dtype", "float32")
    trained = {device: bench.folder / f"heads-on-{device}" for device in ("cpu", "gpu")}
    for device, output in trained.items():
        train_heads(bench, store, output, "cpu" if device == "cpu" else bench.device, "--heads", ",".join(zoo(bench)))
    wrong = []
    for folder in sorted(path.parent for path in trained["cpu"].glob("*/*/*/head.safetensors")):
        place, evaluated = folder.relative_to(trained["cpu"]), bench.folder / "head-on-gpu"
        cpu, gpu = (read_lines(trained[device] / place / "metrics.jsonl")[-1]["loss"] for device in trained)
        bench.run(*bench.on_ranks(1, "bv_eval", "--head", folder, "--store", store, "--device", bench.device, "--output",
                                  evaluated, "--force"))
        wanted, found = (load_file(place / "logits.safetensors") for place in (folder, evaluated))
        logits = max(float(np.linalg.norm(found[name] - wanted[name]) / np.linalg.norm(wanted[name]))
                     for name in wanted if wanted[name].dtype.kind == "f")
        numbers[place.parts[0]] = dict(loss=abs(gpu - cpu) / abs(cpu), logits=logits)
        if not max(numbers[place.parts[0]].values()) <= 1e-3:
            wrong.append(place.parts[0])
    if wrong:
        raise BenchError(f"other results than on the CPU: {', '.join(wrong)}")


def sanitizer(bench, numbers):
    """Runs the tests of label gpu under compute-sanitizer."""
    places = [shutil.which("compute-sanitizer"), *(f"{home}/bin/compute-sanitizer" for home in
                                                   (os.environ.get("CUDA_HOME"), "/usr/local/cuda") if home)]
    program = next((place for place in places if place and Path(place).is_file()), None)
    if program is None:
        raise Missing("no compute-sanitizer, which is part of the CUDA toolkit")
    wrong = []
    for tool in SANITIZERS:
        numbers[tool] = {}
        for name, command in test_programs(bench).items():
            split = command.index("--") + 1 if "--" in command else 0
            code, _ = bench.attempt(*command[:split], program, "--tool", tool, "--error-exitcode", 9, *command[split:])
            numbers[tool][name] = code
            if code != 0:
                wrong.append(f"{tool} of {name}")
    if wrong:
        raise BenchError(f"failed: {', '.join(wrong)}")


def weights_of(run):
    (weights,) = run.glob("checkpoints/*/model.safetensors")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def kill_rank(process, run, step):
    """Kills one rank of a run of bv_finetune after its first step; returns false if the run ended before."""
    metrics = run / "metrics" / "finetune.jsonl"
    while process.poll() is None:
        if metrics.is_file() and metrics.read_bytes().count(b"\n") >= step:
            for folder in Path("/proc").iterdir():
                try:
                    words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else [b""]
                except OSError:
                    continue  # ended meanwhile
                if words[0].endswith(b"/bv_finetune") and str(run).encode() in words:
                    os.kill(int(folder.name), signal.SIGKILL)
                    process.wait()
                    return True
        time.sleep(0.005)
    return False


def equal_bits(bench, numbers):
    """Runs of 50 steps, two undisturbed and up to 20 killed inside a step and resumed, end with the same weights."""
    steps, batch = min(EQUAL_STEPS, bench.options.steps * 2), bench.options.batch * bench.gpus

    def command(run, *flags):
        return bench.finetune(bench.gpus, run, "--precision", "bfloat16", "--batch", batch, "--checkpoints",
                              bench.epoch_of(steps, batch), *flags)

    run, found = bench.folder / "equal", []
    for _ in range(2):
        bench.run(*command(run, "--resume", "never", "--resume-every", 0, "--force"))
        found.append(weights_of(run))
    numbers |= dict(steps=steps, undisturbed_equal=found[0] == found[1], kills=0, equal_after_kill=0)
    draw = random.Random(1)
    while numbers["kills"] < bench.options.kills:
        shutil.rmtree(run)
        process = bench.start(*command(run, "--resume-every", 0.02))
        numbers["kills"] += kill_rank(process, run, draw.randrange(1, steps))
        if bench.left() <= 0:
            raise OutOfTime
        bench.run(*command(run, "--resume-every", 0))
        numbers["equal_after_kill"] += weights_of(run) == found[0]
    shutil.rmtree(run)
    if not numbers["undisturbed_equal"] or numbers["equal_after_kill"] < numbers["kills"]:
        raise BenchError(f"weights differ: {numbers}")


def speed_row(bench, gpus, batch, lines):
    seconds = sum(sum(line["phases"].values()) for line in lines)
    tokens = sum(line["tokens"] for line in lines)
    attended = float((bench.lengths**2).sum() / bench.lengths.sum())
    return dict(gpus=gpus, batch=batch, sequences_per_second=sum(line["sequences"] for line in lines) / seconds,
                tokens_per_second=tokens / seconds,
                tflop_per_second_and_gpu=tokens / seconds * bench.sizes.training_flop(attended) / 1e12 / gpus,
                shares={name: sum(line["phases"][name] for line in lines) / seconds for name in PHASES})


def speed(bench, numbers):
    """Times fine-tuning in bfloat16 on one GPU and on all, and transformers (SDPA, padded to the longest) on one."""
    steps = WARM_UP_STEPS + bench.options.steps
    numbers |= dict(mean_tokens=float(bench.lengths.mean()), rows=[])
    for ranks in sorted({1, bench.gpus}):
        batch, run = bench.options.batch * ranks, bench.folder / f"{ranks}-gpus"
        bench.run(*bench.finetune(ranks, run, "--precision", "bfloat16", "--batch", batch, "--checkpoints",
                                  bench.epoch_of(steps, batch), "--resume", "never", "--resume-every", 0, "--force"))
        lines = read_steps(run / "metrics/finetune.jsonl")[WARM_UP_STEPS:]
        numbers["rows"].append(speed_row(bench, ranks, batch, lines))
        shutil.rmtree(run)
    peer, batch = bench.folder / "peer", bench.options.batch
    bench.run(sys.executable, HERE / "peer_finetune.py", "--model", bench.model, "--train", bench.text, "--batch", batch,
              "--micro-batches", 1, "--bf16", "--device", bench.device, "--steps", steps, "--epochs",
              math.ceil(steps * batch / len(bench.lengths)) + 1, "--output", peer)
    lines = read_lines(peer / "steps.jsonl")[WARM_UP_STEPS:]
    seconds = sum(line["seconds"] for line in lines)
    numbers["transformers"] = dict(batch=batch, sequences_per_second=sum(line["sequences"] for line in lines) / seconds,
                                   tokens_per_second=sum(line["tokens"] for line in lines) / seconds)


def extraction(bench, numbers):
    """Times writing states into a store and the encoder alone; then times heads on that store."""
    store, lengths = bench.folder / "states.h5", bench.lengths_of(bench.few)
    tokens, rate, waiting = extract(bench, store, bench.few)
    numbers |= dict(sequences=len(lengths), extraction=dict(
        tokens_per_second=tokens, sequences_per_second=tokens / lengths.mean(), mb_per_second=rate, waiting=waiting))
    untrained = bench.folder / "untrained"  # the model with an answer head, because bv_eval refuses a model without one
    bench.run(*bench.finetune(1, untrained, "--checkpoints", 0, "--resume", "never", "--force"))
    said = bench.run(*bench.on_ranks(bench.gpus, "bv_eval", "--checkpoint", untrained / "checkpoints/epoch-0", "--features",
                                     bench.few, "--output", bench.folder / "forward", "--device", bench.device, "--force"))
    shutil.rmtree(untrained)
    forward = float(re.findall(r"predicting .*? \(([\d.e+]+) features/s\)", said)[-1]) * bench.gpus  # rank 0 logs only its own
    numbers["forward_sequences_per_second"] = forward
    small, seeds = "learned_pooling", ",".join(map(str, range(1, 21)))
    numbers["head_seconds"] = {}
    for name, flags in {"one": ("--heads", small), "20 alike": ("--heads", small, "--seed", seeds),
                        "all of the zoo": ("--heads", ",".join(zoo(bench)))}.items():
        numbers["head_seconds"][name] = train_heads(bench, store, bench.folder / "epoch", bench.device, *flags)
    store.unlink()


def study(bench, numbers):
    """Estimates the reference's whole study from the rates of this machine, on one GPU and on eight."""
    for ranks in (1, 8):
        output = bench.folder / f"plan-{ranks}.json"
        bench.run(*bench.on_ranks(1, "bv_plan", "--config", REPOSITORY / "configs/reference.toml", "--model", bench.model,
                                  "--device", bench.device, "--measure", "--folder", bench.folder, "--ranks", ranks, "--output",
                                  output, "--force"))
        numbers[f"{ranks}_gpus"] = read_json(output)


ITEMS = {"tests": tests, "self-test": self_test, "parity": parity, "heads": heads, "sanitizer": sanitizer,
         "equal-bits": equal_bits, "speed": speed, "extraction": extraction, "study": study}
