"""Both scorers side by side: where they disagree, counted by reason and listed."""

from disagreements import MEANINGS, count_reasons, list_disagreements
from groups import spread
from page_parts import Column, Row, Table, words
from row_builder import EPOCH, SEED, epoch_cell

SHOWN = 60  # of the list, on the page


def add_disagreements(report, evidence):
    if evidence.task != "span":
        return
    rows = []
    for system in evidence.systems:
        counted = {seed: count_reasons(one) for seed, one in system.records.items()}
        cells = [spread([one.questions for one in reasons]) for reasons in zip(*counted.values())]
        points = spread([sum(one.points for one in reasons) for reasons in counted.values()])
        begin = [epoch_cell(system.group.epoch), system.name, system.seed_text]
        rows.append(Row([*begin, *cells, points], "bert" if system.is_bert else "", system.results))
    caption = (
        "Questions that one scorer calls right and the other wrong (exact match), by reason, as a mean over the seeds. The last column is "
        "the difference that they make in EM: official minus reference, in points. "
        + " ".join(f"{word}: {text}" for word, text in MEANINGS.items())
    )
    columns = [
        EPOCH,
        words("model"),
        SEED,
        *(Column(word, 0, text) for word, text in MEANINGS.items()),
        Column("official − reference", 2, signed=True),
    ]
    report.table("span", Table("span-disagreements", "Where the scorers disagree", caption, columns, rows))
    if evidence.texts is not None:
        report.table("span", listed(evidence))


def listed(evidence):
    """Every disagreement about BERT's last checkpoint and the best head; the explorer has the disagreements about all other systems."""
    chosen = evidence.berts[-1:] + sorted(evidence.heads, key=evidence.score)[-1:]
    rows = []
    for system in chosen:
        result = system.results[0]
        for one in list_disagreements(system.one, evidence.texts):
            reference = "outside the context" if one.reference is None else one.reference or "none"
            right = "official" if one.official_right else "reference"
            cells = [system.name, epoch_cell(system.group.epoch), one.word, right, one.official or "none", reference]
            rows.append(Row([*cells, " / ".join(one.golds) or "none", one.id], "", [result]))
    caption = (
        f"The disagreements about BERT's last checkpoint and about the best head: {min(SHOWN, len(rows))} of {len(rows)}. "
        "report.json has all of them, and the explorer has the disagreements about every system."
    )
    titles = ("model", "epoch", "reason", "right by", "official answer", "reference answer", "gold answers", "question")
    return Table(
        "span-disagreements-listed", "Disagreements listed", caption, [words(title) for title in titles], rows, shown=SHOWN
    )
