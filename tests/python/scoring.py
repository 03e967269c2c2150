"""What tests of answers and scores share: features files read, and made-up logits."""

import h5py
import numpy as np
from safetensors.numpy import save_file


def strings(group):
    """A list of strings of a features file."""
    starts, text = group["starts"][:], bytes(group["bytes"][:])
    return [text[a:b].decode() for a, b in zip(starts, starts[1:], strict=False)]


def write_random_logits(features, path, seed, right=0):
    """Writes distinct random logits. Returns the windows of each question: [(id, context, [window columns])].
    A share `right` of the features has its labels as the highest logits."""
    with h5py.File(features) as file:
        table = file["features"]
        starts = table["starts"][:]
        fingerprint = table.attrs["fingerprint"].decode()
        columns = {name: table[name][:] for name in ("char_begin", "char_end", "max_context", "question_of")}
        labels = {name: table[f"{name}_label"][:] for name in ("start", "end")}
        ids, contexts = strings(table["questions/id"]), strings(table["contexts"])
        context_of = table["questions/context"][:]
    random = np.random.default_rng(seed)
    logits = {name: random.permutation(np.linspace(-8, 8, starts[-1])).astype(np.float32) for name in ("start", "end")}
    chosen = random.random(len(starts) - 1) < right
    for name, own in logits.items():
        own[(starts[:-1] + labels[name])[chosen]] += 16
    save_file(logits, path, metadata={"task": "span", "features": fingerprint})
    questions = {}
    for f, (a, b) in enumerate(zip(starts, starts[1:], strict=False)):
        window = {name: columns[name][a:b] for name in ("char_begin", "char_end", "max_context")}
        window |= {name: logits[name][a:b] for name in logits}
        questions.setdefault(columns["question_of"][f], []).append(window)
    return [(ids[q], contexts[context_of[q]], windows) for q, windows in questions.items()]
