"""Learning history: the fate of questions over BERT's checkpoints and over heads' checkpoints, the words that separate right
from wrong, and the contexts of questions that one model alone gets right."""

import experiment_charts
import judgement_charts as charts
import numpy as np
from history import AFTERWARDS, FATES, history_of, learning_order, order_agreement, separating_words
from page_parts import Column, Figure, Row, Table, words
from row_builder import EPOCH, epoch_cell
from run_model import label_of
from system import common_seed
from threshold_section import shown_systems

WORDS = 12  # on either side of the figure
CHANGES = ["right before and now", "learned since the checkpoint before", "forgotten since the checkpoint before"]


def add_history(report, evidence):
    add_fates(report, evidence)
    if evidence.texts is not None:
        add_words(report, evidence)
        if evidence.heads:
            add_context_lengths(report, evidence)


def by_name(evidence):
    """Systems that differ only in their checkpoint, the earliest first; BERT first."""
    found = {"BERT": evidence.berts} if evidence.berts else {}
    for head in sorted(evidence.heads, key=lambda one: one.group.epoch):
        found.setdefault(head.name, []).append(head)
    return {name: systems for name, systems in found.items() if len(systems) > 1}


def rights(systems, seed):
    return np.stack([system.correct(seed) for system in systems])


def add_fates(report, evidence):
    found = by_name(evidence)
    if not found:
        return
    task, name = evidence.task, f"{evidence.task}-history"
    rows = []
    for model, systems in found.items():
        seed = common_seed(systems)
        if seed is None:
            continue
        one, agreement = history_of(rights(systems, seed)), None
        same = [evidence.bert_at(system.group.epoch) for system in systems]
        if model != "BERT" and all(bert and seed in bert.seeds for bert in same):
            agreement = order_agreement(one, history_of(rights(same, seed)))
            agreement = None if np.isnan(agreement) else float(agreement)
        counts = [one.count(fate) for fate in range(len(FATES))]
        epochs = ", ".join(label_of(system.group.epoch) for system in systems)
        events = float(one.forgetting_events.mean())
        results = [system.of_seed(seed) for system in systems]
        rows.append(Row([model, epochs, *counts, events, agreement], "bert" if model == "BERT" else "", results))
    caption = (
        "The fate of the questions over a model's checkpoints. Learned: wrong before, right at the last; forgotten: right before, "
        "wrong at the last. A forgetting event is a turn from right to wrong (Toneva et al. 2019). Agreement: Spearman's correlation "
        "of the order in which a head and BERT learn the questions, over the head's checkpoints. If there are several seeds, these "
        "numbers are of the first one that all checkpoints of the model have."
    )
    columns = [
        words("model"),
        words("over epochs"),
        *(Column(fate) for fate in FATES),
        Column("forgetting events a question", 3),
        Column("agreement with BERT", 3),
    ]
    report.table(task, Table(name, "Learning history", caption, columns, rows))
    if len(evidence.berts) > 1 and common_seed(evidence.berts) is not None:
        report.figure(task, learning_figure(evidence, name))


def learning_figure(evidence, table):
    """Forgetting events and the order of learning, of BERT."""
    right = rights(evidence.berts, common_seed(evidence.berts))
    one = history_of(right)
    labels = [label_of(system.group.epoch) for system in evidence.berts]
    changes = []
    for label, all_right, learned, forgotten in zip(labels, right.sum(axis=1), one.learned, one.forgotten):
        counts = [int(all_right - learned), int(learned), int(forgotten)]
        for kind, count, sign in zip(CHANGES, counts, (1, 1, -1)):
            changes.append({"epoch": label, "kind": kind, "count": count, "value": sign * count})
    firsts = [
        {"first": first, "kind": kind, "count": int(count)}
        for kind, counts in zip(AFTERWARDS, learning_order(one))
        for first, count in zip([*labels, "never"], counts)
    ]
    caption = (
        "First drawing: the questions that BERT learned and forgot between one checkpoint and the next. Second drawing: the order in which it "
        "learned them, by the first checkpoint whose answer to a question is right, and whether later checkpoints forgot it. If there are "
        "several seeds, this is the first one that all checkpoints have."
    )
    drawing = charts.learning(changes, firsts, CHANGES, AFTERWARDS)
    return Figure(f"{evidence.task}-learning", "Forgetting events and the order of learning", caption, drawing, table)


def add_words(report, evidence):
    """The words that separate right from wrong answers of BERT and of the best head, at each checkpoint; a figure for the last BERT."""
    task, name = evidence.task, f"{evidence.task}-words"
    places = evidence.texts.places(evidence.ids)
    questions = [evidence.texts.questions[place] for place in places]
    rows, last = [], None
    for system in shown_systems(evidence):
        seed = common_seed([system])
        found = separating_words(questions, system.correct(seed))
        for one in [*found[:WORDS], *found[-WORDS:]] if len(found) > 2 * WORDS else found:
            rows.append(
                Row(
                    [epoch_cell(system.group.epoch), system.name, one.word, one.z, one.log_odds, one.right, one.wrong],
                    "",
                    [system.of_seed(seed)],
                )
            )
        last = (system, found) if system.is_bert and found else last
    caption = (
        "The words that tell most about whether a question is answered rightly (z above 0) or wrongly, for BERT and for the best head of "
        "each checkpoint: log-odds ratios with a prior (Monroe, Colaresi and Quinn 2008). z is the ratio divided by its standard error: "
        "between −2 and 2 it may be chance."
    )
    columns = [
        EPOCH,
        words("model"),
        words("word"),
        Column("z", 2, signed=True),
        Column("log odds", 2, signed=True),
        Column("right with it"),
        Column("wrong with it"),
    ]
    report.table(task, Table(name, "Words that separate right from wrong", caption, columns, rows))
    if last:
        system, found = last
        shown = [*found[:WORDS], *found[-WORDS:]] if len(found) > 2 * WORDS else found
        bars = [{"word": one.word, "value": one.z, "count": one.right + one.wrong} for one in shown]
        caption = f"Words of the questions that BERT at epoch {label_of(system.group.epoch)} tends to answer rightly (right) and wrongly (left)."
        figure = Figure(name, "Words that separate right from wrong", caption, charts.separating_words(bars), name)
        report.figure(task, figure)


def add_context_lengths(report, evidence):
    """The contexts of questions that a head gets right and BERT, at the same checkpoint, gets wrong, and the other way round."""
    task, name = evidence.task, f"{evidence.task}-context-lengths"
    places = evidence.texts.places(evidence.ids)
    lengths = evidence.texts.context_pieces[evidence.texts.context_of[places]]
    kinds = ["only the head right", "only BERT right"]
    rows, bars = [], []
    for head in evidence.heads:
        bert = evidence.bert_at(head.group.epoch)
        seed = bert and common_seed([head, bert])
        if seed is None:
            continue
        own, other = head.correct(seed), bert.correct(seed)
        cells = [epoch_cell(head.group.epoch), head.name]
        for kind, chosen in zip(kinds, (own & ~other, other & ~own)):
            if chosen.any():
                low, q1, median, q3, high = (float(one) for one in np.quantile(lengths[chosen], [0.05, 0.25, 0.5, 0.75, 0.95]))
                told = {"model": head.name, "epoch": label_of(head.group.epoch), "kind": kind, "count": int(chosen.sum())}
                bars.append({**told, "low": low, "q1": q1, "median": median, "q3": q3, "high": high})
            cells += [int(chosen.sum()), float(np.median(lengths[chosen])) if chosen.any() else None]
        rows.append(Row(cells, "", [head.of_seed(seed), bert.of_seed(seed)]))
    if not rows:
        return
    caption = (
        "Length of the contexts, in word pieces, of the questions that only the head answers rightly, and of those that only BERT at the "
        f"same checkpoint answers rightly. The median over all questions is {np.median(lengths):.0f}. If there are several seeds, this is the "
        "first one that both have."
    )
    columns = [
        EPOCH,
        words("head"),
        Column("only the head right"),
        Column("median length, only the head", 0),
        Column("only BERT right"),
        Column("median length, only BERT", 0),
    ]
    title = "Context length of uniquely correct questions"
    report.table(task, Table(name, title, caption, columns, rows))
    if bars:
        caption += " Boxes: the middle half; lines: the middle 90 %; white: the median."
        report.figure(task, Figure(name, title, caption, experiment_charts.context_lengths(bars, kinds), name))
