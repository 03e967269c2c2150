#!/usr/bin/env python3
"""A model of how data-parallel fine-tuning scales: computes the time of a step on R ranks from the times of one rank alone.

  step = forward and backward of the fullest rank's tokens + exposed all-reduce + optimizer

The fullest rank is the one with the most tokens: (1 + imbalance) times the mean. Gradients, 4 bytes for each trained
parameter, are summed by rings: S bytes take 2 (R-1)/R S / bandwidth + the latency of 2 (R-1) hops. Buckets are summed one
after another, each as soon as the backward pass has completed it. The time that the sums still need when that pass ends is
exposed. The gradients of the embeddings come last.

Strong scaling splits one batch over the ranks, weak scaling gives every rank the same number of sequences. The
model ignores that smaller products are slower, that others use the network too, that ranks wait for a slow one, and that NCCL
has better ways than rings for small buckets on many ranks. So all results are ESTIMATES. tools/bench/finetune.py measures on 1
and 2 ranks of one machine, and prints the model's error there.
"""
import argparse
import json
import math
from typing import NamedTuple

from bert_sizes import BERT_LARGE, BertSizes
from table import text_table

from programs import declare

RANKS = (1, 2, 4, 8, 16, 32, 64)
MIB = 2**20


class Compute(NamedTuple):
    """The times of one rank alone, while the other cores of its node are as busy as its own, in seconds: forward and backward
    pass of one token, and one update of all parameters."""

    forward: float
    backward: float
    optimizer: float


class Link(NamedTuple):
    bandwidth: float  # bytes/s in each direction, of all rings of a node together
    latency: float  # seconds of a hop
    source: str


class Network(NamedTuple):
    """Nodes of `ranks_per_node` ranks. A ring within a node uses `inside`; a ring over several nodes uses `across` too."""

    ranks_per_node: int
    inside: Link
    across: Link


# The latencies come from NCCL's own model of rings, protocol Simple (src/graph/tuning.cc).
NVLINK_4 = Link(18 * 20.6e9, 3.4e-6,
                "NVLink 4: 18 links (NVIDIA H100 data sheet) of 20.6 GB/s in use (NCCL, src/graph/topo.h)")
NDR = Link(8 * 50e9, 9.6e-6, "InfiniBand NDR: 400 Gb/s for each of a node's 8 GPUs (NVIDIA DGX H100 guide)")
ETHERNET = Link(12.5e9, 9.6e-6, "100 Gb/s Ethernet (IEEE 802.3) with RDMA, one port a node")
GPU_NETWORKS = {"NDR": Network(8, NVLINK_4, NDR), "100GbE": Network(8, NVLINK_4, ETHERNET)}

# The assumed rates of BERT-Large on H100s, for which nothing was measured.
ASSUMED_FLOP_PER_SECOND = 310e12
ASSUMED_MEMORY = 3.35e12  # bytes/s of an H100's HBM3 (data sheet); AdamW reads 4 floats a parameter and writes 3


def all_reduce_seconds(size, ranks, network):
    """The seconds of a ring sum of `size` bytes on every rank."""
    nodes = -(-ranks // network.ranks_per_node)
    bandwidth = network.inside.bandwidth if nodes == 1 else min(network.inside.bandwidth, network.across.bandwidth)
    hops, crossing = 2 * (ranks - 1), 2 * (nodes - 1)
    latency = (hops - crossing) * network.inside.latency + crossing * network.across.latency
    return 2 * (ranks - 1) / ranks * size / bandwidth + latency


def exposed_seconds(sizes, ranks, network, backward, bucket_bytes):
    """The seconds of the gradients' sums after a backward pass of `backward` seconds has ended; 0 bytes means one bucket."""
    if ranks == 1:
        return 0.0
    gradients = sizes.gradient_elements()
    done = [backward * min(i, sizes.num_hidden_layers) / sizes.num_hidden_layers for i in range(len(gradients))]
    finished, size = 0.0, 0
    for i, (elements, ready) in enumerate(zip(gradients, done)):
        size += 4 * elements
        if i + 1 == len(gradients) or size >= (bucket_bytes or math.inf):
            finished = max(finished, ready) + all_reduce_seconds(size, ranks, network)
            size = 0
    return finished - backward


def predict_step(compute, sizes, tokens, ranks, network, imbalance, bucket_bytes):
    """(seconds, exposed seconds) of a step over `tokens` tokens on `ranks` ranks."""
    fullest = tokens / ranks * (1 + (imbalance if ranks > 1 else 0))
    backward = fullest * compute.backward
    exposed = exposed_seconds(sizes, ranks, network, backward, bucket_bytes)
    return fullest * compute.forward + backward + exposed + compute.optimizer, exposed


def project(title, compute, sizes, networks, mean_tokens, imbalance, options):
    """Both kinds of scaling on every network, as one JSON object; `options` has the flags of `declare`."""
    rows = []
    for name, network in networks.items():
        for way in ("strong", "weak"):
            for ranks in RANKS:
                batch = options.scaling_batch if way == "strong" else options.rank_batch * ranks
                step, exposed = predict_step(compute, sizes, batch * mean_tokens, ranks, network, imbalance,
                                             options.bucket_mib * MIB)
                rate = batch / step
                if ranks == 1:
                    alone = rate
                rows.append(dict(network=name, scaling=way, ranks=ranks, batch=batch, sequences_per_second=rate,
                                 efficiency=rate / ranks / alone, exposed_all_reduce_share=exposed / step))
    overlap = (f"buckets of {options.bucket_mib:g} MiB are summed during the backward pass" if options.bucket_mib
               else "one all-reduce after the backward pass")
    return dict(
        title=f"ESTIMATE: {title}",
        networks={name: f"{name}: nodes of {network.ranks_per_node} ranks\n  within: {network.inside.source}\n"
                        f"  between: {network.across.source}" for name, network in networks.items()},
        settings=f"strong: {options.scaling_batch} sequences in all; weak: {options.rank_batch} a rank; "
                 f"{mean_tokens:.0f} tokens a sequence; imbalance {imbalance:.1%};\n"
                 f"{sizes.gradient_bytes() / MIB:,.0f} MiB of gradients, {overlap};\n"
                 "exposed: the share of a step in which only the all-reduce runs",
        rows=rows)


def projection_text(projection):
    parts = [projection["title"]]
    for name, description in projection["networks"].items():
        ways = [[row for row in projection["rows"] if (row["network"], row["scaling"]) == (name, way)]
                for way in ("strong", "weak")]
        header = ["ranks"]
        for way in ("strong", "weak"):
            header += [f"{way}:\nsequences/s", "\nefficiency", "\nexposed"]
        body = [[str(ranks)] for ranks in RANKS]
        for rows in ways:
            for cells, row in zip(body, rows):
                cells += [f"{row['sequences_per_second']:,.1f}", f"{row['efficiency']:.1%}",
                          f"{row['exposed_all_reduce_share']:.1%}"]
        parts.append(f"{description}\n{text_table(header, body)}")
    return "\n\n".join([*parts, projection["settings"]])


def assumed(sizes, attended):
    """The assumed Compute of a GPU."""
    token = sizes.training_flop(attended) / ASSUMED_FLOP_PER_SECOND
    return Compute(token / 3, token * 2 / 3, 7 * sizes.gradient_bytes() / ASSUMED_MEMORY)


def declare_scaling(parser):
    """Declares the flags that finetune.py has too."""
    parser.add_argument("--bucket-mib", type=float, default=16,
                        help="MiB of the buckets in which gradients are summed during the backward pass; "
                             "bv_finetune's have 16; 0 means all at once after that pass [%(default)s]")
    parser.add_argument("--scaling-batch", type=int, default=512,
                        help="sequences of a step in strong scaling [%(default)s]")
    parser.add_argument("--rank-batch", type=int, default=64, help="sequences of a rank in weak scaling [%(default)s]")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  tools/bench/scaling.py --bucket-mib 25\n"
               "  tools/bench/scaling.py --model bert-large-uncased --tokens-per-second 190000 --optimizer-ms 3")
    parser.add_argument("--model", help="Hugging Face BERT folder [the published sizes of BERT-Large]")
    parser.add_argument("--tokens-per-second", type=float,
                        help="measured tokens/s of one rank, forward and backward [310 TFLOP/s are assumed: an H100]")
    parser.add_argument("--optimizer-ms", type=float, help="milliseconds of one update [an H100's memory rate is assumed]")
    parser.add_argument("--mean-tokens", type=float, default=191, help="mean tokens of a sequence [%(default)s]")
    parser.add_argument("--imbalance", type=float, default=0.01,
                        help="imbalance of tokens between ranks: most / mean - 1 [%(default)s]")
    declare_scaling(parser)
    declare(parser, "--json")
    options = parser.parse_args()
    sizes = BertSizes.of_folder(options.model) if options.model else BERT_LARGE
    compute = assumed(sizes, options.mean_tokens)
    if options.tokens_per_second:
        token = 1 / options.tokens_per_second
        compute = compute._replace(forward=token / 3, backward=token * 2 / 3)
    if options.optimizer_ms is not None:
        compute = compute._replace(optimizer=options.optimizer_ms / 1000)
    rate = 1 / (compute.forward + compute.backward)
    origin = "measured elsewhere" if options.tokens_per_second else "assumed"
    projection = project(f"from {rate:,.0f} tokens/s a rank, {origin}", compute, sizes, GPU_NETWORKS,
                         options.mean_tokens, options.imbalance, options)
    print(projection_text(projection))
    if options.json:
        options.json.write_text(json.dumps(projection, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
