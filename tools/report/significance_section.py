"""How sure the differences are: heads against BERT at the same checkpoint and at its best, and the whole zoo."""

import numpy as np
from counted import counted
from groups import seeds_of
from page_parts import Column, Difference, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell
from run_model import label_of
from significance import BETTER, corrected_together
from system import MEASURES, SHORT

LEVEL = 0.05


def shown(difference):
    """The cell of a difference; None if there is no difference."""
    return difference and Difference(difference.value, difference.low, difference.high, difference.verdict)


def intervals_text(groups, begin="Brackets hold"):
    """Words of captions about the intervals of groups of results; `begin` are the words before "95 % intervals"."""
    seeds = " and seeds" if any(len(seeds_of(group.results)) > 1 for group in groups) else ""
    return f" {begin} 95 % intervals over questions{seeds}, each by itself: not corrected for the number of comparisons."


def versus_columns(evidence):
    """A column for tables of heads: the difference to BERT at the same checkpoint, with its interval."""
    if not evidence.berts:
        return ()

    def cell(one):
        system = evidence.system_of(one) if hasattr(one, "results") else None
        bert = evidence.bert_at(system.group.epoch) if system else None
        return shown(evidence.difference(system, bert, measure)) if bert and bert is not system else None

    measure = evidence.judged
    about = f"difference of {MEASURES[measure]} to BERT at the same checkpoint, with the 95 % interval over {evidence.drawn_over}"
    title = f"{SHORT[measure]} − BERT's{', held-out thresholds' * evidence.held_out}"
    return ((Column(title, 1, about, signed=True), cell),)


def versus_text(evidence):
    """Words about this column for the captions of its tables."""
    if not evidence.berts:
        return ""
    if not evidence.held_out:
        return evidence.pairs_text
    return evidence.pairs_text + (
        " The differences to BERT are at thresholds that were chosen on held-out questions; the scores beside them are of the answers "
        "as given, so that these scores have another difference."
    )


def add_significance(report, evidence):
    task, heads = evidence.task, evidence.heads
    if not heads or not evidence.berts:
        return
    measure = evidence.judged
    best = evidence.best_bert(measure)
    values, zoo = evidence.zoo(measure)
    pairs = zoo[np.triu_indices(len(zoo), 1)]
    caption = (
        "Paired bootstrap over questions, clustered by paragraph (10,000 resamples), and over seeds where there are several; "
        f"{MEASURES[measure]} in percent; brackets hold the 95 % interval. “Beats BERT” is corrected by Holm for all heads of this "
        f"table. The pairs of the whole zoo of {counted(len(zoo), 'system')} that differ: {int((pairs < LEVEL).sum())} of {len(pairs)}, with "
        "at most 5 % of these wrong (Benjamini and Hochberg). The last two columns count the systems that a head is better and worse than."
        + evidence.pairs_text
        + evidence.thresholds_text
    )
    rows = rows_of(evidence, best, np.where(zoo < LEVEL, np.sign(values), 0))
    report.table(task, Table(f"{task}-significance", "How sure the differences are", caption, columns_of(best, measure), rows))


def columns_of(best, measure):
    """`best`: BERT at the checkpoint with its best score."""
    return [
        EPOCH,
        words("head"),
        SEED,
        Column(SHORT[measure], 1),
        Column("− BERT, same checkpoint", 1, signed=True),
        Column("p (Holm)", 3, "two-sided, of no difference, corrected by Holm", least=0.001),
        words("beats BERT"),
        Column(f"− BERT, epoch {label_of(best.group.epoch)}", 1, "BERT at its best checkpoint", signed=True),
        Column("smallest difference shown", 1, "the smallest difference to BERT that these questions would show with 80 % probability"),
        Column("better than"),
        Column("worse than"),
    ]


def against_own_bert(evidence, measure):
    """The Difference of each head to BERT at the same checkpoint, where there is one, corrected together; by the head's place."""
    found = {}
    for place, head in enumerate(evidence.systems):
        bert = None if head.is_bert else evidence.bert_at(head.group.epoch)
        difference = bert and evidence.difference(head, bert, measure)
        if difference:
            found[place] = difference
    return dict(zip(found, corrected_together(list(found.values()))))


def rows_of(evidence, best, zoo):
    """One row for each head. `zoo` (S, S): 1 where a system is surely better than another, -1 where it is worse, else 0."""
    measure = evidence.judged
    own = against_own_bert(evidence, measure)
    rows = []
    for head in evidence.heads:
        place = evidence.systems.index(head)
        same = own.get(place)
        cells = [
            epoch_cell(head.group.epoch),
            head.name,
            head.seed_text,
            Difference(evidence.score(head, measure), *evidence.interval(head, measure), signed=False),
            *([shown(same), None if same.few else same.corrected, "yes" if same.sure_verdict == BETTER else "no"] if same else [None] * 3),
            shown(evidence.difference(head, best, measure)),
            same.smallest if same else None,
            int((zoo[place] > 0).sum()),
            int((zoo[place] < 0).sum()),
        ]
        rows.append(Row(cells, "", head.results))
    return rows
