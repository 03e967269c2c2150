"""Runs of bv_train on a small corpus that are stopped or killed, and the results to compare."""

import time

import bv

EPOCHS = 20
MINE = """\
task = "span"
blocks = [
    { type = "learned_pooling" },
    { type = "batch_norm" },
    { type = "adapter", width = 16 },
    { type = "dropout", rate = 0.2 },
    { type = "linear", width = 2 },
]
"""


def make_recipe(folder, model, corpus):
    """Writes stores of the corpus into the folder. Returns flags of a run of two heads at two rates, with dropout, running
    statistics, and a best epoch to remember."""
    (folder / "mine.toml").write_text(MINE)
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", model, "--output", folder / f"{split}.h5")
        bv.run("bv_extract", "--checkpoint", model, "--features", folder / f"{split}.h5", "--task", "span", "--store",
               folder / f"states-{split}.h5")
    return ["--store", folder / "states-train.h5", "--dev-store", folder / "states-dev.h5", "--heads",
            f"{folder / 'mine.toml'},adapter_64_shared", "--learning-rate", "1e-2,1e-3", "--batch", 2, "--epochs", EPOCHS, "--held-out", 0.2,
            "--device", "cpu", "--threads", 1]


def results(output):
    """By path: the content of weights, logits and descriptions, and the log without the time it took."""
    found = {}
    for path in output.rglob("*"):
        if path.name in ("head.safetensors", "logits.safetensors", "questions.safetensors", "head.json", "metrics.json"):
            found[path.relative_to(output)] = bv.content(path)
        if path.name == "metrics.jsonl":
            found[path.relative_to(output)] = [
                {key: value for key, value in line.items() if key not in ("seconds", "step_seconds", "waiting_share", "sequences")}
                for line in bv.read_json_lines(path)]
    return found


def epochs_done(output):
    return sum(path.read_text().count("\n") for path in output.glob("*/*/*/metrics.jsonl"))


def start(recipe, output, *flags):
    return bv.start("bv_train", *recipe, "--output", output, *flags, ranks=2)


def wait_for_epochs(process, output, epochs):
    """Waits until so many epochs are done, one of them by this process: before that, a signal would kill mpirun."""
    until = time.monotonic() + 60
    epochs = max(epochs, epochs_done(output) + 1)
    while epochs_done(output) < epochs and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
