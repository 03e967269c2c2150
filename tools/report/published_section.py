"""Did it reproduce the paper? Figures of published.py as sentence and table."""

from page_parts import Column, Row, Table, words
from published import NOT_COMPARABLE, compare_with_paper
from run_model import Result

ON_PAPER = "The printed page leaves out the figures that this run has no result for."


def add_published(report):
    for found in report.run.attempt(compare_with_paper, report.run):
        part = report.published.named("The work of 2020")
        part.sentences += [text for text in (found["sentence"], found["aside"]) if text]
        rows = [
            Row(
                [
                    row["section"],
                    row["task"],
                    row["model"].replace("_", " "),
                    row["epoch"],
                    row["detail"],
                    row["metric"],
                    row["published"],
                    row["ours"],
                    row["seeds"] or None,
                    row["difference"],
                    row["tolerance"],
                    row["verdict"],
                    row["reason"],
                ],
                "absent" if row["ours"] is None else "",
                sources(report.run, row["files"]),
            )
            for row in found["rows"]
        ]
        columns = [
            words("figure"),
            words("task"),
            words("model"),
            words("epoch"),
            words("of"),
            words("score"),
            Column("published", 2),
            Column("ours", 2),
            Column("seeds"),
            Column("difference", 2, signed=True),
            Column("tolerance", 2),
            words("verdict"),
            words("why not"),
        ]
        table = Table("published-figures", "Every published figure beside ours", found["note"], columns, rows, on_page=ON_PAPER)
        table.folded = all(row["verdict"] == NOT_COMPARABLE for row in found["rows"])
        part.tables.append(table)


def sources(run, files):
    known = {result.files[0]: result for result in run.results}
    return [result for file in files if isinstance(result := known.get(run.folder / file), Result)]
