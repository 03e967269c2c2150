#!/usr/bin/env python3
"""How fast answers are found and scored, compared with Python that does what run_qa and the official script do.

Our programs find the 20 best answers to every question, run both scorers and make the records of all questions. Python does less:
it runs one scorer, and makes no second-best answers. Rates are questions per second of processor time of one core. The logits are
made up: in a part of the windows the labels are the likeliest tokens. Both run in turn, --rounds times. Rates are medians.
"""
import json
import sys

import h5py
import numpy as np
from safetensors.numpy import save_file

from programs import HERE, BenchError, Programs, bench_and_report, bench_parser, counted, run, say, spread, text_in

WANTED = 20_000  # questions a second and core


def write_logits(features, path, right=0.7):
    """Writes logits that are right for a share of the features."""
    with h5py.File(features) as file:
        table = file["features"]
        starts, fingerprint = table["starts"][:], table.attrs["fingerprint"].decode()
        labels = {name: table[f"{name}_label"][:] for name in ("start", "end")}
    random = np.random.default_rng(1)
    chosen = random.random(len(starts) - 1) < right
    logits = {}
    for name, label in labels.items():
        logits[name] = random.normal(size=starts[-1]).astype(np.float32)
        logits[name][(starts[:-1] + label)[chosen]] += 12
    save_file(logits, path, metadata={"task": "span", "features": fingerprint})


def measure(options, folder):
    bench = Programs(options.programs)
    squad = text_in(options.squad, "dev")
    features, logits = folder / "features.h5", folder / "logits.safetensors"
    limit = ["--limit", options.questions] if options.questions else []
    run([bench.program("bv_prepare"), "--squad", squad, "--model", options.model, "--unfound", "keep", "--output", features,
         *limit])
    write_logits(features, logits)
    rates = {"ours": [], "python": []}
    for number in range(options.rounds):
        ours = json.loads(run([bench.program("answers_probe"), features, logits, 3], LD_PRELOAD=bench.python["LD_PRELOAD"]))
        rates["ours"] += [ours["questions"] / seconds for seconds in ours["cpu_seconds"]]
        python = json.loads(run([sys.executable, HERE / "peer_answers.py", "--features", features, "--logits", logits, "--squad",
                                 squad], OMP_NUM_THREADS="1"))
        rates["python"].append(python["questions"] / python["cpu_seconds"])
        if any(abs(ours[name] - python[name]) > 1e-6 for name in ("exact", "f1")):
            raise BenchError(f"the scores differ: ours {ours}, Python's {python}")
        say(f"round {number + 1}: {rates['ours'][-1]:,.0f} questions a second and core, Python {rates['python'][-1]:,.0f}")
    found = {name: spread(values) for name, values in rates.items()}
    return dict(questions=ours["questions"], questions_per_second=found, exact=ours["exact"], f1=ours["f1"],
                against_python=found["ours"]["median"] / found["python"]["median"], wanted=WANTED,
                met=found["ours"]["median"] >= WANTED)


def print_report(whole):
    rates = whole["questions_per_second"]
    print(f"\n{counted(whole['questions'], 'question')}, EM {whole['exact']:.2f}, F1 {whole['f1']:.2f} in both; questions a second and core:\n")
    for name, row in rates.items():
        print(f"{name:<8}{row['median']:>9,.0f}   ({row['least']:,.0f} to {row['most']:,.0f})")
    print(f"\n{whole['against_python']:.1f} times as fast as Python; wanted {whole['wanted']:,}: {'pass' if whole['met'] else 'FAIL'}")


def main():
    parser = bench_parser(__doc__, "tools/bench/answers.py --model MODEL --squad SQUAD", "dev")
    parser.add_argument("--questions", type=int, default=0, help="take only the first ones [all]")
    options = parser.parse_args()
    if options.quick:
        options.questions, options.rounds = 8, 1
    return bench_and_report(options, lambda folder: measure(options, folder), print_report)


if __name__ == "__main__":
    sys.exit(main())
