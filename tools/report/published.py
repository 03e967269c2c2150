"""Did the run reproduce the paper? Every published figure beside ours, with the difference and a verdict.

Our figure is the mean over the seeds of fine-tuning, and each of them counts once: first the mean over all that one seed has (several
heads that differ in their own seeds alone, the epochs of a head), then the mean over the seeds.
"""

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from statistics import mean, stdev

from comparable import PUBLISHED, result_differences, seed_differences
from counted import counted
from groups import grouped, seeds_of
from run_files import is_number, read_json_lines
from run_model import label_of
from scipy.special import stdtrit

REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = "reproduced", "not reproduced", "not comparable"
ABSENT = "no such result in this run"
FEW_SEEDS_TOLERANCE = 1.5  # points, with fewer seeds than tell their own noise
SEEDS_FOR_NOISE = 3
ROUNDING = 0.05  # span figures are published with one decimal of a percent
CONFIDENCE = 0.95
MOSTLY = 0.9  # share of the comparable figures that makes "most of the paper"


@dataclass
class Figure:
    """One published number beside ours."""

    section: str
    task: str
    model: str
    epoch: str  # of fine-tuning
    detail: str  # the other difference to similar figures: the head's own epoch, or the share of the questions
    metric: str
    published: float
    ours: float | None = None  # mean over the seeds, of each seed's mean
    difference: float | None = None
    tolerance: float | None = None
    seeds: int = 0
    verdict: str = NOT_COMPARABLE
    reason: str = ABSENT  # why it is not comparable; "" where it is
    files: list[str] = field(default_factory=list)  # relative to the run's folder
    kinds: list[str] = field(default_factory=list)  # of the reasons

    def set_ours(self, by_seed):
        """`by_seed`: the value of each seed."""
        self.ours, self.seeds = mean(by_seed), len(by_seed)
        self.difference = self.ours - self.published


def compare_with_paper(run):
    """{"sentence", "aside", "note", "counts", "rows"}: plain values for the page and report.json. The counts are of EM and F1
    alone; `aside` says once why figures are not comparable, "" where all are."""
    figures = list(_figures(run))
    scores = [figure for figure in figures if figure.metric in ("EM", "F1")]
    counts = Counter(figure.verdict for figure in scores)
    note = (
        "Scores are in percent, by the scorer of the reference work. Ours is the mean over the seeds of fine-tuning; a seed with several "
        "heads counts once, with their mean. Reproduced: the difference is not larger than the tolerance. This is the half width of the "
        f"{100 * CONFIDENCE:.0f} % interval of one more seed if there are at least {SEEDS_FOR_NOISE} seeds, and else {FEW_SEEDS_TOLERANCE} "
        "points. Not comparable: other model, data or recipe."
    )
    return {
        "sentence": _sentence(counts, scores),
        "aside": _aside(figures),
        "note": note,
        "counts": {verdict: counts[verdict] for verdict in (REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE)},
        "rows": [asdict(figure) for figure in figures],
    }


def _sentence(counts, figures):
    same, other = counts[REPRODUCED], counts[NOT_REPRODUCED]
    aside = Counter(figure.reason for figure in figures if figure.verdict == NOT_COMPARABLE)
    absent = aside.pop(ABSENT, 0)
    if same + other == 0:
        reasons = [reason for reason, _ in aside.most_common(1)]
        return "This run cannot be compared with the paper: " + (reasons[0] if reasons else "it has no result that was published") + "."
    share = same / (same + other)
    how = ("the paper" if other == 0 else "most of the paper" if share >= MOSTLY else "a part of the paper" if same else "")
    begin = f"This run reproduced {how}" if how else "This run did not reproduce the paper"
    text = f"{begin}: {same} of {counted(same + other, 'comparable score')} agreed."
    if sum(aside.values()):
        text += f" Not comparable: {sum(aside.values())} more."
    if absent:
        text += f" Not made in this run: {absent} more."
    return text


def _aside(figures):
    """Each kind of reason once, with how many figures it is the reason of and where they stand in the paper."""
    groups = {}
    for figure in figures:
        if figure.verdict == NOT_COMPARABLE:
            groups.setdefault(", ".join(figure.kinds) or figure.reason, []).append(figure.section)
    if not groups:
        return ""
    told = [f"{why[0].upper()}{why[1:]}: {len(places)} ({', '.join(dict.fromkeys(places))})." for why, places in groups.items()]
    count = sum(map(len, groups.values()))
    return f"Not comparable: {count} of the {len(figures)} published figures. {' '.join(told)}"


def _figures(run):
    """Every published figure, judged."""
    differing = {}  # of a task and seed
    for section, task, model, epoch, detail, scores, found in _published(run):
        for metric, published in scores.items():
            if published is not None:
                figure = Figure(section, task, model, epoch, detail, metric, published)
                _judge(run, figure, [(one, score(one, metric)) for one, score in found], differing)
                yield figure
    yield from _head_sizes(run)
    yield from _costs(run)


def _judge(run, figure, found, differing):
    """`found`: results of this kind and their scores. Only results of comparable seeds count."""
    found = [(result, score) for result, score in found if is_number(score)]
    why = {}
    for result, _ in found:
        seed = (result.task, result.seed)
        if seed not in differing:
            differing[seed] = seed_differences(run, *seed)
        why[id(result)] = differing[seed] + [one for one in result_differences(result) if one not in differing[seed]]
    alike = [(result, score) for result, score in found if not why[id(result)]]
    used = alike or found
    if not used:
        return
    scores = _by_seed((result.seed, score) for result, score in used)
    figure.set_ours(scores)
    figure.files = [str(result.files[0].relative_to(run.folder)) for result, _ in used]
    if not alike:
        reasons = why[id(found[0][0])]
        figure.kinds = list(dict.fromkeys(kind for kind, _ in reasons))
        figure.reason = ", ".join(
            f"{kind} ({'; '.join(words for other, words in reasons if other == kind)})" for kind in figure.kinds
        )
        return
    figure.reason = ""
    figure.tolerance = tolerance_of(scores)
    figure.verdict = REPRODUCED if abs(figure.difference) <= figure.tolerance else NOT_REPRODUCED


def _by_seed(found):
    """The mean of each seed's values. `found`: (seed of fine-tuning, value)."""
    values = {}
    for seed, value in found:
        values.setdefault(seed, []).append(value)
    return [mean(own) for own in values.values()]


def tolerance_of(scores):
    """How far one more seed may be from the mean of these, in points."""
    count = len(scores)
    if count < SEEDS_FOR_NOISE:
        return FEW_SEEDS_TOLERANCE
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return quantile * stdev(scores) * math.sqrt(1 + 1 / count) + ROUNDING


def score_of(result, metric):
    """EM or F1 of a result by the reference work's scorer."""
    return _score_in(result.scores, result.task, metric)


def _score_in(scores, task, metric):
    key = {"EM": "exact", "F1": "f1"}[metric]
    group, key = ("reference", key) if task == "span" else ("classification", f"reference_{key}")
    return (scores.get(group) or {}).get(key)


def _score_after(head_epoch):
    """The score of a head after so many of its own epochs, by its metrics.jsonl."""

    def score(result, metric):
        lines = (line for _, line in _lines_beside(result) if line.get("epoch") == head_epoch)
        return next((_score_in(line, result.task, metric) for line in lines), None)

    return score


def _published(run):
    """(section, task, model, epoch, detail, {metric: published}, [(result of ours, how its score is read)])."""
    for task, curve in PUBLISHED["fine_tuning"].items():
        for epoch, em, f1 in zip(curve["epoch"], curve["em"], curve["f1"]):
            yield "fine-tuning", task, "BERT", epoch, "", {"EM": em, "F1": f1}, _plainly(_berts(run, task, epoch))
    for row in PUBLISHED["span_heads"]:
        for epoch in ("0.3", "1"):
            if row[epoch]:
                heads = _heads(run, "span", row["head"], epoch)
                yield "heads", "span", row["head"], epoch, "", _pair(row[epoch]), _plainly(heads)
    for row in PUBLISHED["classification_heads"]:
        heads = _heads(run, "classification", row["head"], row["epoch"])
        for place, (em, f1) in enumerate(zip(row["em"], row["f1"]), 1):
            found = [(head, _score_after(place)) for head in heads]
            yield "heads", "classification", row["head"], row["epoch"], f"epoch {place} of the head", {"EM": em, "F1": f1}, found
    less = PUBLISHED["less_data"]
    for percent, em, f1 in zip(less["percent"], less["em"], less["f1"]):
        found = _plainly(_heads(run, "span", less["head"], less["epoch"], percent / 100))
        yield "less data", "span", less["head"], less["epoch"], f"{percent} % of the questions", {"EM": em, "F1": f1}, found
    for epoch, pair in PUBLISHED["ensembles"].items():
        yield "ensembles", "span", "BERT and a head", epoch, "", _pair(pair), _plainly(_best_ensembles(run, epoch))
    for head, pair in PUBLISHED["epoch_2"].items():
        yield "heads", "span", head, "2", "", _pair(pair), _plainly(_heads(run, "span", head, "2"))


def _pair(pair):
    return dict(zip(("EM", "F1"), pair))


def _plainly(results):
    return [(result, score_of) for result in results]


def _berts(run, task, epoch):
    return [bert for bert in run.berts if bert.task == task and label_of(bert.epoch) == epoch]


def _heads(run, task, name, epoch, share=1.0):
    """Our results for a published head: over all hidden states of the checkpoint that it was trained on. All are of one recipe, because
    a mean over recipes is of no model: the one with the published rate where there is one, and of these the one with most seeds."""
    layers = run.all_layers(task)
    alike = [
        head
        for head in run.heads
        if (head.task, head.name, head.share, head.epoch, head.dev_epoch) == (task, name, share, Fraction(epoch), Fraction(epoch))
        and not head.each_layer
        and head.layers in ([], layers)
    ]
    rate = f"lr-{PUBLISHED['head_recipe'][task]['learning_rate']:g}-"
    usual = [head for head in alike if rate in f"{head.variant}-"]
    groups = grouped(usual or alike)
    return max(groups, key=lambda group: len(seeds_of(group.results))).results if groups else []


def _best_ensembles(run, epoch):
    """BERT and one head by the maximum of their softmaxes; the head with the best F1, because the paper names no head. Ensembles with
    fewer seeds than others are left out: the best of them may be of a lucky seed."""
    pairs = []
    for one in run.ensembles:
        names = [member.name for member in one.members]
        alike = (one.task, one.epoch, one.combine) == ("span", Fraction(epoch), "max")
        if alike and len(names) == 2 and "BERT" in names and is_number(score_of(one, "F1")):
            pairs.append(one)

    def rank(group):
        by_seed = _by_seed((one.seed, score_of(one, "F1")) for one in group.results)
        return len(by_seed), mean(by_seed)

    return max(grouped(pairs), key=rank).results if pairs else []


def _head_sizes(run):
    """Trained parameters of a head in percent of BERT's; they depend on BERT's size alone."""
    whole = run.bert_parameters("span")
    for row in PUBLISHED["span_heads"]:
        figure = Figure("size", "span", row["head"], "", "", "% of BERT's parameters", row["percent_of_bert"])
        ours = next((head for epoch in ("0.3", "1") for head in _heads(run, "span", row["head"], epoch) if head.parameters), None)
        if ours and whole:
            figure.set_ours([100 * ours.parameters / whole])
            figure.files = [str(ours.files[0].relative_to(run.folder))]
            if whole == PUBLISHED["model"]["parameters"]:
                figure.reason, figure.tolerance = "", max(0.0005, 0.02 * figure.published)
                figure.verdict = REPRODUCED if abs(figure.difference) <= figure.tolerance else NOT_REPRODUCED
            else:
                figure.reason = f"other model ({whole:,} parameters, not {PUBLISHED['model']['parameters']:,})"
                figure.kinds = ["other model"]
        yield figure


def _costs(run):
    """Time on other machines than the paper's: shown, and never judged. Of the span task, as in the paper."""
    cost, windows = PUBLISHED["cost"], PUBLISHED["data"]["train_windows"]
    tunings = [(one.seed, one.file, [one.summary]) for one in run.tunings if one.task == "span"]
    heads = []
    for head in run.plain_heads("span"):
        told = [(path, line) for path, line in _lines_beside(head) if is_number(line.get("waiting_share"))]
        heads += [(head.seed, told[0][0], [line for _, line in told])] if told else []
    for model, what, published, found, value in (
        ("BERT", "seconds of an epoch", cost["fine_tuning_seconds"], tunings, lambda line: line["seconds"] * windows / line["sequences"]),
        ("heads", "hours of an epoch", cost["head_hours"], heads, lambda line: line["seconds"] * windows / line["sequences"] / 3600),
        ("heads", "% of an epoch spent on loading", cost["loading_percent"], heads, lambda line: 100 * line["waiting_share"]),
    ):
        figure = Figure("cost", "span", model, "", "", what, published)
        timed = [(seed, path, [line for line in lines if _is_timed(line)]) for seed, path, lines in found]
        timed = [one for one in timed if one[-1]]
        if timed:
            figure.set_ours(_by_seed((seed, mean(map(value, lines))) for seed, _, lines in timed))
            figure.kinds = ["other machine"]
            figure.reason = f"other machine ({timed[0][-1][0].get('compute') or 'its own'}, not a {cost['machine']})"
            figure.files = sorted(str(path.relative_to(run.folder)) for _, path, _ in timed)
        yield figure


def _is_timed(line):
    return all(is_number(line.get(key)) for key in ("seconds", "sequences")) and line["sequences"] > 0


def _lines_beside(head):
    path = head.files[0].with_name("metrics.jsonl")
    return [(path, line) for line in read_json_lines(path)] if path.is_file() else []
