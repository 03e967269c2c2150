#!/usr/bin/env python3
"""Compares the speed of bv_finetune with Hugging Face's ways, with the machine's matrix products, and with a model of scaling.

Each job of the table trains the same model on the same text in random batches. In each of --rounds rounds all jobs run one
after the other, on two cores and with the same memory allocator, so that noise affects all of them alike. The time of a step
is from its batch to its update; starting and the first steps do not count. Rates are medians over the rounds, with the least
and the most. A ratio compares the fastest job of each side, because not all processors are faster in the same precision; it
is computed within each round first. Only real tokens count, no padding.

  best Python         transformers, each batch padded to its longest, fused AdamW, in bfloat16 autocast or float32
  sorted passes       the same with each batch cut into four passes sorted by length, which gives less padding and is seldom done
  run_qa as shipped   float32, everything padded to 386 tokens

The ceiling is the rate of Torch's matrix products in the shapes of the model's linear layers, on as many tokens as a batch
has; the floating-point operations of a token follow from the model's sizes and the text's lengths. Imbalance is that of the
tokens of 8 ranks at batch 64 over an epoch, as bv_finetune divides them. The cost of a checkpoint is the additional time of a
run that writes one after every step and waits for all of them; its share is for as many checkpoints as the reference makes.
scaling.py --help explains scaling.

Takes about half an hour with the small BERT on two quiet cores. Ends with exit code 0 whether or not targets are met.
"""
import math
import statistics
import sys
import time
from pathlib import Path

import scaling
from bert_sizes import BERT_LARGE
from jobs import JOBS, Bench
from table import text_table

from programs import CORES, bench_and_report, bench_parser, counted, say, spread

OURS_FP32 = ("ours_fp32_2x1", "ours_fp32_1x2")
OURS = ("ours_bf16_2x1", "ours_bf16_1x2", *OURS_FP32)  # some processors are faster in float32

# The name, our jobs and the peers' (the fastest of each side counts), the wanted ratio.
TARGETS = [
    ("against best Python", OURS, ("python_bf16", "python_fp32"), 4.0),
    ("against best Python in sorted passes", OURS, ("python_bf16_sorted",), None),
    ("against run_qa as shipped", OURS, ("run_qa",), 6.0),
    ("fp32 against Python fp32", OURS_FP32, ("python_fp32",), 2.5),
]
WANTED_IMBALANCE = 0.03
WANTED_CHECKPOINT_SHARE = 0.02
STRETCH_CEILING = 0.5
REFERENCE_CHECKPOINTS, REFERENCE_EPOCHS = 15, 6  # 0.1 to 0.9 epochs, then each whole one


def measured(lines):
    """The measurements of one run of a job, as rates and means over its steps."""
    def mean(values):
        return statistics.fmean(values)
    seconds = [line["seconds"] if "seconds" in line else sum(line["phases"].values()) for line in lines]
    found = dict(step_seconds=mean(seconds), step_tokens=mean(line["tokens"] for line in lines),
                 tokens_per_second=sum(line["tokens"] for line in lines) / sum(seconds),
                 sequences_per_second=sum(line["sequences"] for line in lines) / sum(seconds),
                 positions_per_token=sum(line.get("positions", line["tokens"]) for line in lines)
                 / sum(line["tokens"] for line in lines))
    if "phases" in lines[0]:
        found.update({f"{name}_seconds": mean(line["phases"][name] for line in lines) for name in lines[0]["phases"]})
        found.update(all_reduce_share=found["all_reduce_seconds"] / found["step_seconds"],
                     imbalance=mean(line["imbalance"] for line in lines))
    return found


def summary(rounds):
    """A job's measurements over all rounds: {name: median, least, most}."""
    return {name: spread(one[name] for one in rounds) for name in rounds[0]}


def ratios(found):
    """For each target the ratio of the rates of the fastest jobs of both sides, in each round."""
    def fastest(keys):
        return max(keys, key=lambda key: statistics.median(one["tokens_per_second"] for one in found[key]))
    rows = []
    for name, layouts, peers, wanted in TARGETS:
        ours, peer = fastest(layouts), fastest(peers)
        ratio = spread(a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(found[ours], found[peer]))
        rows.append(dict(target=name, ours=ours, peer=peer, wanted=wanted, **ratio,
                         met=None if wanted is None else ratio["median"] >= wanted))
    return rows


def check_model(rows, sizes, memory, options):
    """(one rank's Compute, the scaling model's predictions from it and the measurements)."""
    def value(key, name):
        return rows[key][name]["median"]
    base = "ours_bf16_1x1"
    tokens = value(base, "step_tokens")
    compute = scaling.Compute((value(base, "data_seconds") + value(base, "forward_seconds")) / tokens,
                              value(base, "backward_seconds") / tokens, value(base, "optimizer_seconds"))
    checks = []
    for key in ("ours_bf16_1x1_half", "ours_bf16_2x1"):
        ranks = JOBS[key].ranks
        step, exposed = scaling.predict_step(compute, sizes, value(key, "step_tokens"), ranks, memory,
                                             value(key, "imbalance"), options.bucket_mib * scaling.MIB)
        real = value(key, "step_seconds")
        checks.append(dict(ranks=ranks, batch=options.batch // JOBS[key].part, measured_step_seconds=real,
                           predicted_step_seconds=step, error=step / real - 1,
                           measured_exposed_share=value(key, "all_reduce_share"),
                           predicted_exposed_share=exposed / step))
    return compute, checks


def model_scaling(bench, rows, copied, imbalance):
    """The scaling model's check on this machine, and its estimates for more ranks than were measured."""
    options, mean_tokens = bench.options, float(bench.lengths.mean())
    share = copied / CORES  # all ranks copy at the same time
    memory = scaling.Network(CORES, scaling.Link(share, 1e-6,
                                                 f"memory: {share / 1e9:.1f} GB/s a rank copies (measured)"),
                             scaling.ETHERNET)
    compute, checks = check_model(rows, bench.sizes, memory, options)
    gpu = scaling.assumed(BERT_LARGE, bench.attended())
    return dict(checks=checks, projections=[
        scaling.project("ranks of one thread as measured here, on nodes like this one", compute, bench.sizes,
                        {"100GbE": memory}, mean_tokens, imbalance, options),
        scaling.project(f"BERT-Large on H100s that are assumed to reach {scaling.ASSUMED_FLOP_PER_SECOND / 1e12:.0f} "
                        "TFLOP/s each", gpu, BERT_LARGE, scaling.GPU_NETWORKS, mean_tokens, imbalance, options)])


def measure(bench):
    """All jobs, round by round, there and back, so that a drift of the machine hits all alike; (what they did, the
    ceilings' summary, (seconds a checkpoint costs, a step's) of each round)."""
    found, ceilings, costs = {key: [] for key in JOBS}, [], []
    for number in range(1, bench.options.rounds + 1):
        place = f"round {number} of {bench.options.rounds}"
        ceilings.append(bench.ceiling())
        say(f"{place}: matrix products {ceilings[-1]['bfloat16']:,.0f} GFLOP/s in bf16, "
            f"{ceilings[-1]['float32']:,.0f} in fp32")
        for key in list(JOBS)[:: 1 if number % 2 else -1]:
            began = time.monotonic()
            found[key].append(measured(bench.train(JOBS[key], seed=number)))
            say(f"{place}: {JOBS[key].label.strip()}: {found[key][-1]['tokens_per_second']:,.0f} tokens/s "
                f"({time.monotonic() - began:.0f} s)")
        costs.append(bench.checkpoint_cost(seed=number))
        say("{}: a checkpoint costs {:.2f} s, a step {:.2f} s".format(place, *costs[-1]))
    return found, summary(ceilings), costs


def evaluate(bench):
    """Everything measured and modelled, as one JSON object."""
    options = bench.options
    imbalances = bench.imbalances()
    imbalance = dict(mean=statistics.fmean(imbalances), largest=max(imbalances), batches=len(imbalances))
    say("imbalance of 8 ranks at batch 64: mean {mean:.2%}, largest {largest:.2%}".format(**imbalance))
    found, ceiling, costs = measure(bench)
    steps = REFERENCE_EPOCHS * math.ceil(len(bench.lengths) / options.batch)
    shares = spread(REFERENCE_CHECKPOINTS * cost / (steps * step) for cost, step in costs)
    flop = bench.sizes.training_flop(bench.attended())
    rows = {key: summary(rounds) for key, rounds in found.items()}
    for key, row in rows.items():
        peak = ceiling["bfloat16" if JOBS[key].bf16 else "float32"]["median"] * 1e9
        row.update(label=JOBS[key].label.strip(), share_of_ceiling=row["tokens_per_second"]["median"] * flop / peak)
    compared = ratios(found)
    best = rows[compared[0]["ours"]]["share_of_ceiling"]
    targets = [*compared, dict(target="stretch: our fastest's share of its ceiling", sense=">=", wanted=STRETCH_CEILING,
                               median=best, met=best >= STRETCH_CEILING),
               dict(target="imbalance of 8 ranks at batch 64: largest", sense="<=", wanted=WANTED_IMBALANCE,
                    median=imbalance["largest"], met=imbalance["largest"] <= WANTED_IMBALANCE),
               dict(target=f"{REFERENCE_CHECKPOINTS} checkpoints in {REFERENCE_EPOCHS} epochs: share of the time", sense="<=",
                    wanted=WANTED_CHECKPOINT_SHARE, **shares, met=shares["median"] <= WANTED_CHECKPOINT_SHARE)]
    return dict(batch=options.batch, steps=options.steps, warm_up_steps=options.warm_up_steps,
                allocator=bench.allocator.name if bench.allocator else "the C library's",
                sequences=len(bench.lengths), mean_tokens=float(bench.lengths.mean()),
                training_mflop_per_token=flop / 1e6, ceiling=ceiling, jobs=rows, targets=targets, imbalance=imbalance,
                checkpoint_seconds=spread(cost for cost, _ in costs),
                scaling=model_scaling(bench, rows, ceiling["copy_bytes_per_second"]["median"], imbalance["mean"]))


def print_report(whole):
    def gflops(name):
        return "{median:,.0f} ({least:,.0f} to {most:,.0f})".format(**whole["ceiling"][name])
    print(f"\nFine-tuning {Path(whole['model']).name}, {whole['sequences']} sequences of {whole['mean_tokens']:.0f} "
          f"tokens in random batches of {whole['batch']};\n{counted(whole['rounds'], 'round')} of {counted(whole['steps'], 'step')} after "
          f"{whole['warm_up_steps']} to warm up; {whole['cores']} cores; allocator {whole['allocator']}")
    print(f"ceiling: {gflops('bfloat16')} GFLOP/s in bf16, {gflops('float32')} in fp32; "
          f"{whole['training_mflop_per_token']:.1f} MFLOP a token\n")
    body = []
    for key, row in whole["jobs"].items():
        rate = row["tokens_per_second"]
        body.append([JOBS[key].label, f"{rate['median']:,.0f}", f"{rate['least']:,.0f} to {rate['most']:,.0f}",
                     f"{row['sequences_per_second']['median']:.1f}", f"{row['positions_per_token']['median']:.2f}",
                     f"{row['share_of_ceiling']:.1%}",
                     f"{row['all_reduce_share']['median']:.1%}" if "all_reduce_share" in row else ""])
    print(text_table(["", "tokens/s", "least to most", "sequences/s", "computed\nper token", "of ceiling",
                      "exposed\nall-reduce"], body))
    body = []
    for row in whole["targets"]:
        verdict = {True: "pass", False: "FAIL", None: ""}[row["met"]]
        if "peer" in row:
            wanted = "" if row["wanted"] is None else f">= {row['wanted']:g}x"
            job = JOBS[row["ours"]]
            body.append([row["target"], f"{'bf16' if job.bf16 else 'fp32'}, {job.ranks} x {job.threads}", wanted, f"{row['median']:.2f}x",
                         f"{row['least']:.2f} to {row['most']:.2f}", verdict])
        else:
            wanted = f"{row['sense']} {row['wanted']:.0%}"
            body.append([row["target"], "", wanted, f"{row['median']:.1%}", "", verdict])
    print("\n" + text_table(["target", "our\nfastest", "wanted", "found", "least to most", ""], body))
    print("imbalance: mean {mean:.2%} over the {batches} whole batches of an epoch".format(**whole["imbalance"]))
    print("a checkpoint: {median:.2f} s ({least:.2f} to {most:.2f})".format(**whole["checkpoint_seconds"]))
    body = [[f"{row['ranks']}, batch {row['batch']}", f"{row['measured_step_seconds']:.3f} s",
             f"{row['predicted_step_seconds']:.3f} s", f"{row['error']:+.1%}", f"{row['measured_exposed_share']:.1%}",
             f"{row['predicted_exposed_share']:.1%}"] for row in whole["scaling"]["checks"]]
    print(f"\nA step of ranks of one thread, predicted by the scaling model from 1 rank at batch {whole['batch']} (another beside "
          "it):\n")
    print(text_table(["ranks", "measured", "predicted", "error", "exposed\nmeasured", "\npredicted"], body))
    for projection in whole["scaling"]["projections"]:
        print(f"\n{scaling.projection_text(projection)}")


def main():
    parser = bench_parser(__doc__, "tools/bench/finetune.py --model MODEL --squad SQUAD --json bench.json", "train")
    parser.add_argument("--batch", type=int, default=16, help="sequences of a step [%(default)s]")
    parser.add_argument("--steps", type=int, default=20, help="steps of each run that count [%(default)s]")
    parser.add_argument("--warm-up-steps", type=int, default=3, help="steps before these, which do not count [%(default)s]")
    scaling.declare_scaling(parser)
    options = parser.parse_args()
    if options.quick:
        options.steps, options.warm_up_steps, options.rounds = 2, 1, 1
    return bench_and_report(options, lambda folder: evaluate(Bench(options, folder)), print_report)


if __name__ == "__main__":
    sys.exit(main())
