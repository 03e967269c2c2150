"""The items of tools/bench/gpu.py that check for right results; gpu_rates.py has those that measure.

Each is a function of a Bench and of the dictionary for its numbers. It stores a number as soon as it is known, so that the number
is kept if the item's time is over. It raises BenchError if a requirement does not hold.
"""

import hashlib
import os
import random
import re
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from gpu_bench import Missing, read_json

from programs import HERE, REPOSITORY, BenchError, read_lines

WITHIN = {"float32": 1e-4, "bfloat16": 2e-2}  # largest relative difference to transformers' float32
SANITIZERS = ("memcheck", "racecheck", "initcheck")
OWN_KERNELS = ("test_bert_gpu", "*Dropout*")  # the program and the names of the tests that run the kernels of src/ and little else
EQUAL_STEPS, DEEP_KILLS, FEW_LAYERS = 50, 2, 2
NO_UPDATE = "1e-30"  # a learning rate that changes no weight


def inputs(bench, numbers):
    """The model and the questions of all other items."""
    bench.prepare()
    numbers |= dict(sequences=bench.sequences, mean_tokens=bench.mean_tokens)


def test_programs(bench):
    """The commands of the tests of label gpu, by name."""
    programs = {path.name: [path] for path in sorted(bench.programs.glob("test_*_gpu"))}
    if (bench.programs / "test_comm_nccl").is_file():  # each rank needs a GPU of its own
        programs["test_comm_nccl"] = bench.on_ranks(bench.gpus, "test_comm_nccl")
    return programs


def run_tests(bench, numbers, name, *command, **environment):
    """Runs a program of tests, and stores under `name` how its tests ended."""
    code, said = bench.attempt(*command, **environment)
    numbers[name] = {kind: len(re.findall(rf"^\[ *{word} *\] .* \(\d+ ms\)$", said, re.MULTILINE))
                     for kind, word in (("passed", "OK"), ("failed", "FAILED"), ("skipped", "SKIPPED"))} | {"exit_code": code}


def judge_tests(numbers):
    wrong = [name for name, found in numbers.items() if found["exit_code"] != 0]
    if wrong:
        raise BenchError(f"failed: {', '.join(wrong)}")
    if not any(found["passed"] for found in numbers.values()):
        raise Missing("every test was skipped: the programs see no GPU")


def tests(bench, numbers):
    """The tests of label gpu."""
    for name, command in test_programs(bench).items():
        run_tests(bench, numbers, name, *command)
    judge_tests(numbers)


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
    store, (features, *_) = bench.folder / "parity.h5", bench.features_of("sequences", sequences)
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
        run, found = bench.folder / "parity", bench.folder / "differences.json"
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
    """Runs bv_extract on all GPUs with as many tokens in a pass as bv_eval takes; returns its rates and the share of the time that
    it waited for the disk."""
    said = bench.run(*bench.on_ranks(bench.gpus, "bv_extract", "--checkpoint", bench.model, "--features", features, "--task",
                                     "span", "--device", bench.device, "--batch-tokens", 8192, "--store", store, "--force", *flags))
    rates = re.search(r"([\d.]+) features/s, ([\d.]+) tokens/s, ([\d.]+) MB/s, (\d+) % of the time waiting", said)
    sequences, tokens, megabytes, waiting = map(float, rates.groups())
    return dict(sequences_per_second=sequences, tokens_per_second=tokens, mb_per_second=megabytes, waiting=waiting / 100)


def train_heads(bench, store, output, device, *flags):
    """Trains heads for one epoch on one rank; returns the seconds of the epoch."""
    shutil.rmtree(output, ignore_errors=True)
    bench.run(*bench.on_ranks(1, "bv_train", "--store", store, "--dev-store", store, "--epochs", 1, "--device", device,
                              "--output", output, *flags))
    lines = [read_lines(path)[-1] for path in output.glob("*/*/*/metrics.jsonl")]
    return max(line["seconds"] for line in lines)


def heads(bench, numbers):
    """Compares every head on a GPU with the same head on the CPU: the loss of one epoch of training, and the logits. The logits are
    those of a second training, which changes no weight, so that they come from the same weights."""
    import numpy as np
    from safetensors.numpy import load_file
    store, names, (features, *_) = bench.folder / "heads-states.h5", zoo(bench), bench.features_of("heads", 8)
    extract(bench, store, features, "--dtype", "float32")
    trained = {device: bench.folder / f"heads-on-{device}" for device in ("cpu", "gpu")}
    for device, output in trained.items():
        train_heads(bench, store, output, "cpu" if device == "cpu" else bench.device, "--heads", ",".join(names),
                    "--learning-rate", f"0.001,{NO_UPDATE}", "--batch", 4)
    for name in names:
        learning, still = (f"{name}/epoch-0/lr-{rate}-seed-1" for rate in ("0.001", NO_UPDATE))
        cpu, gpu = (read_lines(output / learning / "metrics.jsonl")[-1]["loss"] for output in trained.values())
        wanted, found = (load_file(output / still / "logits.safetensors") for output in trained.values())
        logits = max(float(np.linalg.norm(found[part] - wanted[part]) / np.linalg.norm(wanted[part]))
                     for part in wanted if wanted[part].dtype.kind == "f")
        numbers[name] = dict(loss=abs(gpu - cpu) / abs(cpu), logits=logits)
    wrong = [name for name, found in numbers.items() if not max(found.values()) <= 1e-3]
    if wrong:
        raise BenchError(f"other results than on the CPU: {', '.join(wrong)}")


def sanitizer(bench, numbers):
    """Runs the tests of our own kernels under each tool of compute-sanitizer, then the other tests of label gpu under memcheck."""
    places = [shutil.which("compute-sanitizer"), *(f"{home}/bin/compute-sanitizer" for home in
                                                   (os.environ.get("CUDA_HOME"), "/usr/local/cuda") if home)]
    program = next((place for place in places if place and Path(place).is_file()), None)
    if program is None:
        raise Missing("no compute-sanitizer, which is part of the CUDA toolkit")
    programs, (own, tests_of_own) = test_programs(bench), OWN_KERNELS
    runs = [(tool, own, tests_of_own) for tool in SANITIZERS]
    runs += [("memcheck", name, f"-{tests_of_own}" if name == own else "*") for name in programs]
    for tool, name, chosen in runs:
        command = [*programs[name], f"--gtest_filter={chosen}"]
        split = command.index("--") + 1 if "--" in command else 0
        # Without a cache each tensor of Torch is an allocation of its own, whose ends compute-sanitizer knows.
        run_tests(bench, numbers, f"{tool} {name} {chosen}", *command[:split], program, "--tool", tool, "--error-exitcode", 9,
                  *command[split:], PYTORCH_NO_CUDA_MEMORY_CACHING="1")
    judge_tests(numbers)


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


def equal_bits_of(bench, model, kills, numbers):
    """Trains a model twice undisturbed, then with kills; stores which runs ended with the same weights."""
    steps, batch = min(EQUAL_STEPS, bench.options.steps * 2), bench.options.batch * bench.gpus

    def command(run, *flags):
        return bench.finetune(bench.gpus, run, "--precision", "bfloat16", "--batch", batch, "--checkpoints",
                              bench.epoch_of(steps, batch), *flags, model=model)

    run, found = bench.folder / "equal", []
    for _ in range(2):
        bench.run(*command(run, "--resume", "never", "--resume-every", 0, "--force"))
        found.append(weights_of(run))
    numbers |= dict(layers=read_json(model / "config.json")["num_hidden_layers"], steps=steps,
                    undisturbed_equal=found[0] == found[1], kills=0, equal_after_kill=0)
    draw = random.Random(1)
    while numbers["kills"] < kills:
        shutil.rmtree(run)
        killed = kill_rank(bench.start(*command(run, "--resume-every", 0.02)), run, draw.randrange(1, steps))
        bench.run(*command(run, "--resume-every", 0))
        numbers["kills"] += killed
        numbers["equal_after_kill"] += killed and weights_of(run) == found[0]
    shutil.rmtree(run)


def equal_bits(bench, numbers):
    """Runs of 50 steps, two undisturbed and others killed inside a step and resumed, end with the same weights.

    Only two kills are of the whole model: from BERT-Large's state of 4 GB a run resumes slowly. The others are of a model as wide
    with few layers.
    """
    deep = min(DEEP_KILLS, bench.options.kills)
    equal_bits_of(bench, bench.model, deep, numbers.setdefault("whole_model", {}))
    if bench.options.kills > deep:
        few = bench.shallow_model(min(FEW_LAYERS, bench.sizes.num_hidden_layers))
        equal_bits_of(bench, few, bench.options.kills - deep, numbers.setdefault("few_layers", {}))
    if not all(found["undisturbed_equal"] and found["equal_after_kill"] == found["kills"] for found in numbers.values()):
        raise BenchError(f"weights differ: {numbers}")


CHECKS = {"tests": tests, "self-test": self_test, "parity": parity, "heads": heads, "sanitizer": sanitizer,
          "equal-bits": equal_bits}
WITHOUT_INPUTS = ("tests", "sanitizer")
