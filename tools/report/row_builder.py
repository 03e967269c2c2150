"""Rows of tables from groups of results: the mean over seeds, and one row for each seed under it."""

from columns import score_cells, score_columns
from page_parts import Column, Row, Shown, Table, words
from run_model import label_of

EPOCH = Column("epoch")
SEED = words("seed", "the seed of fine-tuning, or the number of seeds that the row is the mean of")


def epoch_cell(epoch):
    return Shown(label_of(epoch), float(epoch))


def name_of(result, own=""):
    """The name of a result or a group in tables, with the properties that set it apart."""
    name = result.label + own
    name += f" ({result.diverged}; its best epoch before)" if result.diverged else ""
    return f"{name} [{result.mark}]" if result.mark else name


FIRST = 2  # the first scores are EM and F1; cells about them follow


def rows_of(groups, before, beside=lambda one: []):
    """A row for each group. For a group or one result, `before` gives the cells before the scores, and `beside` the cells after the
    first scores (EM and F1)."""
    rows, heads = [], any(group.name != "BERT" for group in groups)

    def cells(one):
        scores = score_cells(one)
        return [*before(one), *scores[:FIRST], *beside(one), *scores[FIRST:]]

    for group in groups:
        members = group.results if len(group.results) > 1 else []
        rows.append(
            Row(
                cells(group),
                "bert" if heads and group.name == "BERT" else "",
                group.results,
                [Row(cells(one), "seed", [one]) for one in members],
            )
        )
    return rows


def score_table(name, title, caption, task, groups, own, beside=()):
    """A table of results. `own` are its own columns before the scores, and `beside` its columns after the first scores: (column, the cell
    of a group or of one result)."""
    scores = score_columns(task)
    return Table(
        name,
        title,
        caption,
        [*(column for column, _ in own), *scores[:FIRST], *(column for column, _ in beside), *scores[FIRST:]],
        rows_of(
            groups,
            lambda one: [cell(one) for _, cell in own],
            lambda one: [cell(one) for _, cell in beside],
        ),
    )
