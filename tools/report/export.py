"""Files beside the page: every table as CSV, Markdown and LaTeX, every figure as SVG and PNG, and report.json."""

import csv
import dataclasses
import io
import json
import math

import vl_convert
from marks import PRINT
from page_parts import Difference, Shown, Spread, cell_text

PNG_SCALE = 3  # of figures 600 to 900 points wide: 300 and more dots an inch at the width of a page


def write_files(report, folder):
    """Every drawing and every table of the report."""
    folder.mkdir(exist_ok=True)
    for figure in report.figures():
        write_figure(figure, folder)
    for table in report.tables():
        write_table(table, folder)


def write_figure(figure, folder):
    """NAME.svg and NAME.png."""
    svg = vl_convert.vegalite_to_svg({**figure.spec, "config": PRINT})
    (folder / f"{figure.name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{figure.name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


def write_table(table, folder):
    """NAME.csv with all figures and one row for each seed too; NAME.md and NAME.tex as the page shows it."""
    for suffix, text in ((".csv", csv_of(table)), (".md", markdown_of(table)), (".tex", latex_of(table))):
        (folder / f"{table.name}{suffix}").write_text(text, encoding="utf-8")


def _wide(column, cells):
    """The titles of a column in CSV: figures of a mean and of an interval have columns of their own."""
    if any(isinstance(cell, Spread) and cell.deviation is not None for cell in cells):
        return [column.title, f"{column.title} deviation", f"{column.title} results"]
    if any(isinstance(cell, Difference) for cell in cells):
        return [column.title, f"{column.title} low", f"{column.title} high", f"{column.title} verdict"]
    return [column.title]


def _values(cell, width):
    if isinstance(cell, Spread):
        values = [cell.mean, cell.deviation, cell.results]
    elif isinstance(cell, Difference):
        values = [cell.value, cell.low, cell.high, cell.verdict]
    else:
        values = [cell.text if isinstance(cell, Shown) else cell]
    values = ["" if value is None else value for value in values[:width]]
    return values + [""] * (width - len(values))


def _no_formula(value):
    """Text that a spreadsheet would take for a formula stays text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def csv_of(table):
    flat = [row for row in table.rows for row in [row, *row.seeds]]
    titles = [_wide(column, [row.cells[place] for row in flat]) for place, column in enumerate(table.columns)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([title for group in titles for title in group])
    for row in flat:
        values = [value for cell, group in zip(row.cells, titles) for value in _values(cell, len(group))]
        writer.writerow([_no_formula(value) for value in values])
    return text.getvalue()


def markdown_of(table):
    def line(cells):
        escaped = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ") for cell in cells)
        return "| " + " | ".join(escaped) + " |"

    marks = ["---:" if column.number else "---" for column in table.columns]
    rows = [[cell_text(cell, column) for cell, column in zip(row.cells, table.columns)] for row in table.rows]
    lines = [line([column.title for column in table.columns]), line(marks), *(line(row) for row in rows)]
    return f"{table.caption}\n\n" + "\n".join(lines) + "\n"


LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$",
    "−": "$-$", "–": "--", "“": "``", "”": "''", "γ": r"$\gamma$", "≤": r"$\le$", "≥": r"$\ge$",
}  # fmt: skip


def latex_text(text):
    return "".join(LATEX.get(letter, letter) for letter in text)


def latex_of(table):
    """A booktabs table."""
    letters = "".join("r" if column.number else "l" for column in table.columns)

    def line(cells):
        return " & ".join(latex_text(cell) for cell in cells) + r" \\"

    rows = [[cell_text(cell, column) for cell, column in zip(row.cells, table.columns)] for row in table.rows]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            f"\\caption{{{latex_text(table.caption)}}}",
            f"\\label{{tab:{table.name}}}",
            f"\\begin{{tabular}}{{{letters}}}",
            "\\toprule",
            line([column.title for column in table.columns]),
            "\\midrule",
            *(line(row) for row in rows),
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _plain(value):
    """A cell as JSON; numbers that JSON has no word for become null."""
    if isinstance(value, Shown):
        return value.text
    if dataclasses.is_dataclass(value):
        return {key: _plain(inner) for key, inner in dataclasses.asdict(value).items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def report_json(report, folder):
    """Every figure of the page, with the files that it came from."""

    def row_json(row):
        return {
            "cells": [_plain(cell) for cell in row.cells],
            "files": [str(path.relative_to(folder)) for result in row.source for path in result.files],
            **({"seeds": [row_json(seed) for seed in row.seeds]} if row.seeds else {}),
        }

    def part_json(part):
        return {
            "title": part.title,
            **({"task": part.task} if part.task else {}),
            "sentences": part.sentences,
            "figures": [
                {"name": one.name, "title": one.title, "caption": one.caption, "specification": one.spec} for one in part.figures
            ],
            "tables": [
                {
                    "name": one.name,
                    "title": one.title,
                    "caption": one.caption,
                    "columns": [column.title for column in one.columns],
                    "rows": [row_json(row) for row in one.rows],
                }
                for one in part.tables
            ],
        }

    return json.dumps(
        {
            "format": 1,
            "run": report.title,
            "missing": report.missing,
            "wrong": report.wrong,
            "sections": [
                {"name": one.name, "title": one.title, "lead": one.lead, "parts": [part_json(part) for part in one.parts]}
                for one in report.sections
            ],
        },
        ensure_ascii=False,
        allow_nan=False,
        indent=1,
    )
