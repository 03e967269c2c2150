"""Both thresholds side by side: the one that scores are stated with, and the best on dev, which is an optimistic bound; precision
and recall; what null odds look like."""

import judgement_charts as charts
import numpy as np
from groups import Group, grouped, spread
from origin import threshold_source
from page_parts import Column, Figure, Row, Shown, Table, words
from row_builder import EPOCH, SEED, epoch_cell
from thresholds import average_precision, headline, held_out_scores, histogram, precision_recall, thinned

POINTS = 60  # of a curve
ALWAYS_NONE = -1e9  # as bv_eval writes it: below all null odds


def add_thresholds(report, evidence):
    if evidence.task != "span" or not evidence.systems:
        return
    name = "span-thresholds"
    title = "Thresholds on the score of “none”"
    rows = []
    for system in evidence.systems:
        told = {seed: figures_of(report.run, system, seed) for seed in system.records}
        means = [told[system.seed][0]] if len(told) == 1 else [threshold_cells([one[0] for one in told.values()])]
        cells = means[0] + [spread(values) for values in zip(*(one[1] for one in told.values()))]
        seeds = []
        if len(told) > 1:
            for result in system.group.results:
                if result.seed in told:
                    one = told[result.seed]
                    begin = [epoch_cell(result.epoch), system.name, result.seed]
                    seeds.append(Row([*begin, *one[0], *one[1]], "seed", [result]))
        begin = [epoch_cell(system.group.epoch), system.name, system.group.seed]
        rows.append(Row([*begin, *cells], "bert" if system.is_bert else "", system.group.results, seeds))
        if system.is_bert:
            rows += held_out_rows(report.run, system)
    caption = (
        "Official scores in percent at the threshold that the report states, and at the best one on these very questions: that is an "
        "optimistic bound, no result. “Held-out”: the threshold was chosen on held-out training questions; “as given”: it is the "
        "evaluation's own. Rows of BERT that name a file have its answers at the threshold that the scores in that file tell; they are "
        "compared with no head. Average precision takes the answers from the smallest null odds on."
    )
    columns = [
        EPOCH,
        words("model"),
        SEED,
        words("threshold"),
        words("chosen"),
        Column("EM", 2),
        Column("F1", 2),
        Column("best threshold", 2, "the best for F1 on these very questions"),
        Column("best F1", 2, "at the best threshold: an optimistic bound"),
        Column("average precision (EM)", 2),
        Column("average precision (F1)", 2),
    ]
    report.table("span", Table(name, title, caption, columns, rows))
    add_curves(report, evidence, name)


def held_out_rows(run, system):
    """BERT's answers once more, at the threshold that is best on held-out training questions: of the same task, checkpoint and seeds."""
    found = [
        one for one in run.held_out_thresholds
        if (one.task, one.epoch) == (system.group.task, system.group.epoch) and one.seed in system.records and one.main
    ]  # fmt: skip

    def row(group, kind, seeds=()):
        texts = [threshold_text(one.scores["answers"]["null_threshold"]) for one in group.results]
        cells = threshold_cells([(text, f"held-out: {threshold_source(run, one).text}") for text, one in zip(texts, group.results)])
        scores = [group.of(lambda one, key=key: one.main[key]) for key in ("exact", "f1")]
        return Row([epoch_cell(group.epoch), system.name, group.seed, *cells, *scores, *[None] * 4], kind, group.results, list(seeds))

    return [
        row(group, "bert", [row(Group([one]), "seed") for one in group.results] if len(group.results) > 1 else [])
        for group in grouped(found)
    ]


def threshold_cells(cells):
    """The threshold and its source, of several seeds."""
    sources = sorted({one[1] for one in cells})
    return ["one a seed" if len({one[0].text for one in cells}) > 1 else cells[0][0], " and ".join(sources)]


def threshold_text(value):
    return Shown("always none" if value <= ALWAYS_NONE else f"{value:.2f}", max(value, ALWAYS_NONE))


def figures_of(run, system, seed):
    """([threshold, source], [the figures of the columns after])."""
    one = system.records[seed]
    result = next(found for found in system.group.results if found.seed == seed)
    held_out = held_out_scores(result, run.in_training, one.features) if system.held_out else None
    found = headline(one, held_out)
    odds, answerable = one.null_odds, one["answerable"]
    best = None if found.best_threshold == -np.inf else found.best_threshold
    scores = [100 * found.exact, 100 * found.f1, best, 100 * found.best_f1]
    scores += [100 * average_precision(odds, one[key], answerable) for key in ("exact", "f1")]
    return [threshold_text(found.threshold), found.source], scores


def add_curves(report, evidence, table):
    lines, bars = [], []
    for system in evidence.systems:
        if system.is_bert and not any(head.group.epoch == system.group.epoch for head in evidence.heads) and evidence.heads:
            continue
        one = system.one
        precision, recall = precision_recall(one.null_odds, one["f1"], one["answerable"])
        told = {"model": system.name, "epoch": epoch_cell(system.group.epoch).text}
        for x, y in curve(recall, precision):
            lines.append({**told, "x": round(100 * float(x), 2), "y": round(100 * float(y), 2)})
    if lines:
        caption = (
            "Precision against recall (by F1) as answers are taken from the smallest null odds on; a line a model, BERT's in blue. "
            "Where there are several seeds, the first."
        )
        report.figure("span", Figure("span-precision-recall", "Precision and recall", caption, charts.precision_recall(lines), table))
    for system in shown_systems(evidence):
        one = system.one
        edges, having, lacking = histogram(one.null_odds, one["answerable"])
        told = {"model": system.name, "epoch": epoch_cell(system.group.epoch).text}
        for place, (with_answer, without) in enumerate(zip(having, lacking)):
            at = {"low": round(float(edges[place]), 3), "high": round(float(edges[place + 1]), 3)}
            bars.append({**told, **at, "kind": "with an answer", "value": int(with_answer)})
            bars.append({**told, **at, "kind": "without an answer", "value": int(without)})
    if bars:
        caption = (
            "Null odds (score of “none” less score of the best span) of questions with and without an answer: BERT and the best head of "
            "each checkpoint. The further the two are apart, the better a threshold tells them."
        )
        report.figure("span", Figure("span-null-odds", "Histograms of null odds", caption, charts.null_odds(bars), table))


def curve(x, y):
    """Some places of a curve of shares: the first hundredth is left out, where few questions make it jump."""
    begin = int(np.searchsorted(x, 0.01))
    return zip(*thinned(x[begin:], y[begin:], POINTS))


def shown_systems(evidence):
    """BERT and the best head of each checkpoint that has heads; BERT's last checkpoint where none has."""
    epochs = sorted({head.group.epoch for head in evidence.heads})
    shown = []
    for epoch in epochs:
        bert = evidence.bert_at(epoch)
        heads = [head for head in evidence.heads if head.group.epoch == epoch]
        shown += [bert] * bool(bert) + [max(heads, key=evidence.score)]
    return shown or evidence.berts[-1:]
