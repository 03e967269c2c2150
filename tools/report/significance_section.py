"""How sure the differences are: heads against BERT at the same checkpoint and at its best, and the whole zoo."""

import numpy as np
from page_parts import Column, Difference, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell
from run_folder import label_of
from significance import BETTER, benjamini_hochberg, holm

LEVEL = 0.05


def shown(difference):
    return Difference(difference.value, difference.low, difference.high, difference.verdict)


def versus_columns(evidence):
    """A column for tables of heads: the difference to BERT at the same checkpoint, with its interval."""
    if not evidence.systems:
        return ()

    def cell(one):
        system = evidence.system_of(one) if hasattr(one, "results") else None
        bert = evidence.bert_at(system.group.epoch) if system else None
        return shown(evidence.difference(system, bert)) if bert and bert is not system else None

    about = "difference of F1 to BERT at the same checkpoint, with the 95 % interval over questions and seeds"
    return ((Column("F1 − BERT's", 1, about, signed=True), cell),)


def add_significance(report, evidence):
    task, heads = evidence.task, evidence.heads
    if not heads or not evidence.berts:
        return
    boot = evidence.bootstrap()
    best = max(evidence.berts, key=evidence.score)
    same = {id(head): evidence.difference(head, bert) for head in heads if (bert := evidence.bert_at(head.group.epoch))}
    top = {id(head): evidence.difference(head, best) for head in heads}
    tested = [head for head in heads if id(head) in same]
    corrected = dict(zip((id(head) for head in tested), holm([same[id(head)].p for head in tested]))) if tested else {}
    pairs = np.triu_indices(len(evidence.systems), 1)
    q = np.ones((len(evidence.systems),) * 2)
    if len(pairs[0]):
        q[pairs] = benjamini_hochberg(boot.pairwise_p()[pairs])
        q = np.minimum(q, q.T)
    rows = []
    for head in heads:
        place = evidence.systems.index(head)
        apart = q[place] < LEVEL
        low, high = evidence.interval(head)
        own, p = same.get(id(head)), corrected.get(id(head))
        beats = None if own is None else "yes" if own.verdict == BETTER and p < LEVEL else "no"
        rows.append(
            Row(
                [
                    epoch_cell(head.group.epoch),
                    head.name,
                    head.group.seed,
                    Difference(evidence.score(head), low, high, signed=False),
                    shown(own) if own else None,
                    p if p is None else float(p),
                    beats,
                    shown(top[id(head)]),
                    own.smallest if own else None,
                    int((apart & (boot.scores < boot.scores[place])).sum()),
                    int((apart & (boot.scores > boot.scores[place])).sum()),
                ],
                "",
                head.group.results,
            )
        )
    found = int((q[pairs] < LEVEL).sum())
    caption = (
        "Paired bootstrap over questions, clustered by paragraph (10,000 resamples), and over seeds where there are several; F1 in "
        "percent, in brackets the 95 % interval. “Beats BERT” is corrected by Holm for all heads of this table. Against the whole "
        f"zoo of {len(evidence.systems)} systems: {found} of {len(pairs[0])} pairs differ, with at most 5 % of these wrong (Benjamini "
        f"and Hochberg); the last two columns count the systems that a head is better and worse than."
        + (" At thresholds chosen on held-out questions." if any(one.held_out for one in heads) else "")
    )
    columns = [
        EPOCH,
        words("head"),
        SEED,
        Column("F1", 1),
        Column("− BERT, same checkpoint", 1, signed=True),
        Column("p (Holm)", 3, "two-sided, of no difference, corrected by Holm"),
        words("beats BERT"),
        Column(f"− BERT, epoch {label_of(best.group.epoch)}", 1, "BERT at its best checkpoint", signed=True),
        Column("would be shown", 1, "the smallest difference to BERT that these questions would show with 80 % probability"),
        Column("better than"),
        Column("worse than"),
    ]
    report.table(task, Table(f"{task}-significance", "How sure the differences are", caption, columns, rows))
