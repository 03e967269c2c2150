"""The whole report of a run with all experiments: every drawing and table is a file, and every link leads to one."""

import csv
import html
import re
import sys
from urllib.parse import unquote

import bv
import pytest

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run's folder, and the page without its programs."""
    run = tmp_path_factory.mktemp("made") / "study"
    shape = made_run.Shape(questions=60, checkpoints=2, heads=3, head_checkpoints=1, seeds=2, experiments=True)
    shape.tasks = ["span", "classification"]
    made_run.write_run(run, shape)
    bv.run_tool("report/report.py", "--run", run)
    page = (run / "report/index.html").read_text(encoding="utf-8")
    return run, page[page.index("<body>") : page.index("<script")]


def test_every_link_leads_to_a_file_of_the_run(made):
    run, body = made
    links = [unquote(html.unescape(link)) for link in re.findall(r'href="([^"]*)"', body)]
    assert len(links) > 100
    assert [link for link in links if link[0] != "#" and not (run / "report" / link).is_file()] == []
    assert [link for link in links if link[0] == "#" and f'id="{link[1:]}"' not in body] == []


def test_every_drawing_stands_beside_the_page_as_svg_and_png(made):
    run, body = made
    figures = re.findall(r'data-figure="([^"]*)"', body)
    assert len(figures) > 25
    for figure in figures:
        assert (run / "report/files" / f"{figure}.png").read_bytes().startswith(b"\x89PNG"), figure
        drawing = (run / "report/files" / f"{figure}.svg").read_text(encoding="utf-8")
        assert "<svg" in drawing and re.search(r'class="[^"]*role-mark', drawing), figure  # axes alone are no drawing


def test_every_table_is_a_file_of_its_own_and_report_json_has_every_figure(made):
    run, body = made
    report = bv.read_json(run / "report/report.json")
    tables = {table["name"]: table for section in report["sections"] for part in section["parts"] for table in part["tables"]}
    assert set(tables) == set(re.findall(r'data-table="([^"]*)"', body))
    for name, table in tables.items():
        with open(run / "report/files" / f"{name}.csv", encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
        assert len(lines) == 1 + sum(1 + len(row.get("seeds", [])) for row in table["rows"])
        assert lines[0][0] == table["columns"][0]
        assert (run / "report/files" / f"{name}.tex").read_text(encoding="utf-8").count(" \\\\\n") == 1 + len(table["rows"])
        assert (run / "report/files" / f"{name}.md").read_text(encoding="utf-8").count("\n| ") == 2 + len(table["rows"])
    row = next(row for row in tables["span-heads"]["rows"] if row["cells"][1] != "BERT")
    assert re.fullmatch(r"span/seed-1/heads/\w+/epoch-[\d.]+/lr-0.001-seed-1/metrics.json", row["files"][0])
