"""Rows of tables from groups of results: the mean over seeds, and a row a seed under it."""

from columns import score_cells, score_columns
from page_parts import Column, Row, Shown, Table, words
from run_model import label_of

EPOCH = Column("epoch")
SEED = words("seed", "the seed, or the number of seeds that the row is the mean of")


def epoch_cell(epoch):
    return Shown(label_of(epoch), float(epoch))


def name_of(result, own=""):
    """A result's name as tables have it, with what sets it apart."""
    name = result.name.replace("_", " ") + own
    name += f" ({result.diverged}; its best epoch before)" if result.diverged else ""
    return f"{name} [{result.mark}]" if result.mark else name


def rows_of(groups, before, after=lambda one: []):
    """A row a group. `before` and `after` give the cells of a group or of one result that stand around the scores."""
    rows, beside = [], any(group.name != "BERT" for group in groups)
    for group in groups:
        members = group.results if len(group.results) > 1 else []
        rows.append(
            Row(
                [*before(group), *score_cells(group), *after(group)],
                "bert" if beside and group.name == "BERT" else "",
                group.results,
                [Row([*before(one), *score_cells(one), *after(one)], "seed", [one]) for one in members],
            )
        )
    return rows


def score_table(name, title, caption, task, groups, own, after=()):
    """A table of results. `own` and `after` are its own columns around the scores: (column, the cell of a group or of one
    result)."""
    return Table(
        name,
        title,
        caption,
        [*(column for column, _ in own), *score_columns(task), *(column for column, _ in after)],
        rows_of(
            groups,
            lambda one: [cell(one) for _, cell in own],
            lambda one: [cell(one) for _, cell in after],
        ),
    )
