"""The report's figures on a phone: names of heads can be told apart, and nothing is cut at the right."""

import sys

import bv
import pytest

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run
from chromium import Browser, find_chromium

PHONE = {"width": 400, "height": 844, "phone": True}
# The labels of the axis of models, a text of one or two lines each.
NAMES = """[...document.querySelectorAll('#figure-span-heads .role-axis-label > text')].map((text) =>
    text.children.length ? [...text.children].map((line) => line.textContent).join(' ') : text.textContent)"""
# How far each drawing reaches beyond its place, in points.
BEYOND = """Object.fromEntries([...document.querySelectorAll('[data-figure]')].map((figure) => {
    const place = figure.querySelector('.chart');
    return [figure.dataset.figure, place.scrollWidth - place.clientWidth];
}))"""
SCROLLED = {"span-layer-weights"}  # a column for each hidden state


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not find_chromium():
        pytest.skip("no Chromium for tests here")
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(questions=60, checkpoints=3, heads=8, head_checkpoints=2, seeds=1, experiments=True))
    bv.run_tool("report/report.py", "--run", run, "--no-files")
    with Browser() as own:
        own.open(run / "report" / "index.html", **PHONE)
        own.run("Figures.drawAll()")
        yield own


def test_names_of_heads_are_whole(browser):
    shown = browser.run(NAMES)
    models = browser.run("Figures.draw(document.getElementById('figure-span-heads')).then((one) => "
                         "[...new Set(one.view.data('source_0').map((row) => row.model))])")
    assert len(models) == 9 and {*models} <= {*shown}


def test_no_drawing_is_wider_than_its_place(browser):
    assert {name: width for name, width in browser.run(BEYOND).items() if width > 0 and name not in SCROLLED} == {}
