"""The explorer's data on the page: a seed of a task each, as many as there is room for."""

from collections import Counter
from dataclasses import dataclass

from explorer import explorer_of, texts_of
from run_model import label_of

ROOM = 7_300_000  # bytes of the page for the explorer: with all else it stays below 15 MB on SQuAD 2.0's dev questions
LEAD = (
    "Choose a question: its context is shown with the gold answers marked, and below it the answer of each checkpoint, head and ensemble, "
    "with its confidence. The signs under a question in the list say whether BERT's answer was right (✓) or not (·) at each checkpoint."
)


@dataclass
class Shown:
    """A system in the explorer, under one seed."""

    name: str
    epoch: str  # of the states that it reads
    bert: bool
    records: object
    threshold: float | None  # None: the threshold of the answers as given


def shown_of(evidence, seed):
    """The systems that the explorer shows for a seed: BERT, heads over all states, heads on states of another checkpoint, ensembles."""
    run, task, shown, head_seeds = evidence.run, evidence.task, [], []

    def add(result, records, name, epoch, threshold=None):
        shown.append(Shown(name, label_of(epoch), result.name == "BERT", records, threshold))
        head_seeds.append(result.head_seed)

    for system in evidence.systems:
        for result in system.group.results:
            own = result.seed_text
            if result.seed == seed and own in system.records:
                add(result, system.records[own], system.name, result.epoch, system.thresholds[own])
    more = [(one, f"{one.label}, trained at epoch {label_of(one.epoch)}", one.dev_epoch) for one in run.mixed]
    more += [(one, f"{one.label} ({one.combine})", one.epoch) for one in run.ensembles]
    for result, name, epoch in more:
        if (result.task, result.seed) == (task, seed) and (records := evidence.records_of(result)):
            add(result, records, name, epoch)
    counts = Counter((one.name, one.epoch) for one in shown)
    for one, seed in zip(shown, head_seeds):
        one.name += f" (head seed {seed})" if seed and counts[one.name, one.epoch] > 1 else ""
    return shown


def add_explorers(report, evidences, wanted=None):
    """The seed `wanted` of each task, or else its first seed; then other seeds while there is room."""
    evidences = [one for one in evidences if one.systems and one.texts is not None]
    texts, packed, left_out = report.explorers["texts"], {}, []
    for evidence in evidences:
        if evidence.first.features not in texts:
            texts[evidence.first.features] = texts_of(evidence.texts, evidence.ids)
    seeds = [seeds_of(evidence, wanted) for evidence in evidences]
    for place in range(max(map(len, seeds), default=0)):
        for evidence, own in zip(evidences, seeds):
            if place < len(own):
                used = sum(map(len, texts.values())) + sum(len(one["data"]) for one in packed.values())
                if place and used + len(packed[evidence.task, own[0]]["data"]) > ROOM:
                    left_out.append(f"{evidence.task}, seed {own[place]}")
                else:
                    packed[evidence.task, own[place]] = explorer_of(evidence.task, own[place], shown_of(evidence, own[place]))
    for evidence, own in zip(evidences, seeds):
        report.explorers["tasks"] += [packed[evidence.task, seed] for seed in own if (evidence.task, seed) in packed]
    if evidences:
        report.explorer.lead = LEAD
    if any(one.held_out for one in evidences) and (report.run.ensembles or report.run.mixed):
        report.explorer.lead += (
            " Thresholds were chosen on held-out questions; ensembles and heads on states of another checkpoint have the thresholds of "
            "their evaluations."
        )
    if left_out:
        report.explorer.lead += (
            f" The page would be too large with all seeds; it lacks {'; '.join(left_out)}. “report.py --explorer-seed SEED” makes a page "
            "with another seed."
        )


def seeds_of(evidence, wanted):
    """The seeds with records of BERT, or, if BERT has no records, of any system; the wanted seed first."""
    seeds = dict.fromkeys(result.seed for system in evidence.berts or evidence.systems for result in system.results)
    return sorted(seeds, key=lambda seed: seed != wanted)
