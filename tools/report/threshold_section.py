"""Two thresholds side by side: the one that the scores have, and the best on dev, which is an optimistic bound; precision and recall;
histograms of null odds."""

import judgement_charts as charts
import numpy as np
from groups import Group, grouped, spread
from origin import threshold_source
from page_parts import Column, Figure, Row, Shown, Table, number_text, words
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
        told = [figures_of(report.run, system, result) for result in system.results]
        begin = [epoch_cell(system.group.epoch), system.name]
        seeds = []
        if len(told) > 1:
            seeds = [Row([*begin, one.seed_text, *cells_of([own])], "seed", [one]) for one, own in zip(system.results, told)]
        rows.append(Row([*begin, system.seed_text, *cells_of(told)], "bert" if system.is_bert else "", system.results, seeds))
        if system.is_bert:
            rows += held_out_rows(report.run, system)
    caption = (
        "Official scores in percent, at the threshold that the report uses, and at the threshold that is best on these same questions, "
        "which is an optimistic bound and no result. “Held-out” means that the threshold was chosen on held-out training questions, and "
        "“as given” that it is the evaluation's own. A row of BERT that names a file has BERT's answers at the threshold that follows from "
        "the scores in that file; these rows are compared with no head. The average precision accepts the answers in the order of their "
        "null odds, the smallest first."
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
        if (one.task, one.epoch) == (system.group.task, system.group.epoch) and one.seed_text in system.records and one.main
    ]  # fmt: skip

    def row(group, kind, seeds=()):
        texts = [threshold_text(one.scores["answers"]["null_threshold"]) for one in group.results]
        cells = threshold_cells([(text, f"held-out: {threshold_source(run, one).text}") for text, one in zip(texts, group.results)])
        scores = [group.of(lambda one, key=key: one.main[key]) for key in ("exact", "f1")]
        return Row([epoch_cell(group.epoch), system.name, group.seed_text, *cells, *scores, *[None] * 4], kind, group.results, list(seeds))

    return [
        row(group, "bert", [row(Group([one]), "seed") for one in group.results] if len(group.results) > 1 else [])
        for group in grouped(found)
    ]


def threshold_cells(cells):
    """The threshold and its source, of one seed or several."""
    sources = sorted({one[1] for one in cells})
    return ["one a seed" if len({one[0].text for one in cells}) > 1 else cells[0][0], " and ".join(sources)]


def threshold_text(value):
    text = "always none" if value <= ALWAYS_NONE else number_text(float(value), Column("", 2))
    return Shown(text, max(value, ALWAYS_NONE))


def best_threshold_cell(values):
    """The best threshold, of one seed or several. There is no mean where the best for a seed is "none" to every question."""
    none = sum(value <= ALWAYS_NONE for value in values)
    if not none:
        return spread(values)
    return Shown("always none" if none == len(values) else f"always none for {none} of {len(values)} seeds", ALWAYS_NONE)


def cells_of(told):
    """The cells behind the seed. `told` has the result of `figures_of` for each seed."""
    thresholds, exact, f1, best, *others = zip(*told)
    return [*threshold_cells(thresholds), spread(exact), spread(f1), best_threshold_cell(best), *map(spread, others)]


def figures_of(run, system, result):
    """[(threshold, source), then the figures of the columns after] of one of its results."""
    one = system.records[result.seed_text]
    held_out = held_out_scores(result, run.in_training, one.features) if system.held_out else None
    found = headline(one, held_out)
    odds, answerable = one.null_odds, one["answerable"]
    precisions = [100 * average_precision(odds, one[key], answerable) for key in ("exact", "f1")]
    threshold = (threshold_text(found.threshold), found.source)
    return [threshold, 100 * found.exact, 100 * found.f1, found.best_threshold, 100 * found.best_f1, *precisions]


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
            "Precision against recall (by F1), if the answers are accepted in the order of their null odds, the smallest first. There is "
            "one line for each model; BERT's is blue. If there are several seeds, this is the first one."
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
            "Null odds (the score of “none” minus the score of the best span) of questions with and without an answer, for BERT and for the "
            "best head of each checkpoint. The further the two kinds of questions are apart, the better a threshold separates them."
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
