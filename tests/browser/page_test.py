"""The report's page in a real browser: nothing goes wrong or leaves the file, its controls work, and text stays text."""

import json
import re
import sys
from contextlib import contextmanager

import bv
import pytest

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run
from chromium import Browser, find_chromium
from made_questions import make_questions

# Each would set window.attacked if it were taken for markup or for a program.
SCRIPT = "<script>window.attacked = 1</script>"
ATTACKS = {
    "question": f'{SCRIPT}<img src=x onerror="window.attacked = 2">',
    "context": f' </script>{SCRIPT}<!--<script> {{{{ 7 * 7 }}}} "onmouseover="window.attacked = 3" &lt;b&gt;',
    "id": f"id-{SCRIPT}",
    "head": f"pooling {SCRIPT}",
}
SECTIONS = ("answer", "figures", "explorer", "tables", "published", "cost", "sources")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844, "phone": True}
PAPER = 1031  # points between the margins of A4 on its side (style.css)


def attack(monkeypatch):
    """Makes the made-up questions hold what would be a program, were it not escaped."""

    def made(count, seed=0):
        own = make_questions(count, seed)
        own.questions[0]["question"] = ATTACKS["question"]
        own.questions[0]["id"] = ATTACKS["id"]
        own.contexts[own.context[0]] += ATTACKS["context"]  # at its end: places of answers stay
        own.split["data"][0]["paragraphs"][0]["context"] = own.contexts[own.context[0]]
        return own

    monkeypatch.setattr(made_run, "make_questions", made)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a small made-up run with all experiments, two seeds and hostile texts."""
    if not find_chromium():
        pytest.skip("no Chromium for tests here")
    run = tmp_path_factory.mktemp("made") / "study"
    with pytest.MonkeyPatch.context() as monkeypatch:
        attack(monkeypatch)
        shape = made_run.Shape(questions=120, checkpoints=4, heads=3, head_checkpoints=2, seeds=2, experiments=True)
        shape.tasks = ["span", "classification"]
        made_run.write_run(run, shape)
    for path in run.glob("span/seed-*/heads/learned_pooling/*/*/metrics.json"):
        path.write_text(json.dumps(bv.read_json(path) | {"head": ATTACKS["head"]}), encoding="utf-8")
    renamed = next((run / "span").glob("seed-1/heads/*/epoch-*/lr-0.001-seed-1/metrics.json"))
    for path in run.glob(f"span/seed-*/heads/{renamed.parents[2].name}/*/*/metrics.json"):
        path.write_text(json.dumps(bv.read_json(path) | {"head": ATTACKS["head"]}), encoding="utf-8")
    bv.run_tool("report/report.py", "--run", run, "--no-files")
    return run / "report" / "index.html"


@pytest.fixture(scope="module")
def chromium():
    if not find_chromium():
        pytest.skip("no Chromium for tests here")
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium, page):
    chromium.errors.clear()
    chromium.requests.clear()
    chromium.open(page, **WIDE)
    return chromium


def draw_all(browser):
    browser.run("Figures.drawAll()")
    browser.run("document.querySelectorAll('table[data-table]').forEach((table) => Tables.make(table))")


def test_it_loads_without_a_complaint_and_asks_for_nothing_but_itself(browser, page):
    draw_all(browser)
    assert browser.errors == []
    assert set(browser.requests) <= {page.resolve().as_uri()}
    figures = browser.run("document.querySelectorAll('[data-figure]').length")
    assert figures > 20 and browser.run("document.querySelectorAll('[data-figure] .chart svg').length") >= figures
    assert browser.run(f"{json.dumps(SECTIONS)}.filter((id) => !document.getElementById(id))") == []


def test_every_hidden_state_has_its_label_beside_the_pooled_output(browser):
    draw_all(browser)
    shown = json.dumps('#figure-classification-layer-weights .role-axis-label text:not([opacity="0"])')
    labels = browser.run(f"[...document.querySelectorAll({shown})].map((text) => text.textContent)")
    states = ["pooled", *map(str, range(made_run.LAYERS))]
    assert [label for label in labels if label in states] == states


# The least gaps between labels of numbers that stand beside each other, in points, by figure.
GAPS = """Object.fromEntries([...document.querySelectorAll('[data-figure]')].map((figure) => [figure.dataset.figure, Math.min(99,
    ...[...figure.querySelectorAll('.role-axis-label')].flatMap((axis) => {
        const shown = [...axis.querySelectorAll('text:not([opacity="0"])')].filter((text) => !isNaN(parseFloat(text.textContent)));
        const boxes = shown.map((text) => text.getBoundingClientRect()).sort((one, two) => one.x - two.x);
        return boxes.slice(1).map((box, place) => [box, boxes[place]]).filter(([box, before]) => Math.abs(box.y - before.y) < 2)
            .map(([box, before]) => box.x - before.right);
    }))]))"""


@pytest.mark.parametrize("looks", [WIDE, PHONE], ids=["wide", "phone"])
def test_labels_of_an_axis_keep_apart(chromium, page, looks):
    chromium.open(page, **looks)
    draw_all(chromium)
    assert {name: gap for name, gap in chromium.run(GAPS).items() if gap < 6} == {}


@contextmanager
def prepared(chromium, program):
    """A page that is opened meanwhile runs this program before its own."""
    chromium.errors.clear()
    made = chromium.call("Page.addScriptToEvaluateOnNewDocument", source=program)
    yield
    chromium.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


def test_a_browser_that_cannot_unpack_the_figures_says_so(chromium, page):
    note = "document.getElementById('old-browser').checkVisibility()"
    with prepared(chromium, "delete window.DecompressionStream"):
        chromium.open(page, **WIDE)
        assert chromium.run(note) and chromium.errors == []
        assert chromium.run("document.getElementById('explorer').textContent.includes('being unpacked')") is False
    chromium.open(page, **WIDE)
    assert not chromium.run(note)


# The page's own drawing of figures, but for one.
ONE_FAILS = """let draw;
Object.defineProperty(window, "vegaEmbed", {
  set(own) { draw = own; },
  get() { return (place, ...more) => (more[1].downloadFileName === "span-heads" ? Promise.reject(new Error("made up")) : draw(place, ...more)); },
});"""


def test_a_figure_that_cannot_be_drawn_says_so_and_stops_no_other(chromium, page):
    with prepared(chromium, ONE_FAILS):
        chromium.open(page, **WIDE)
        draw_all(chromium)
    assert chromium.run("document.querySelector('#figure-span-heads .chart').textContent") == "This figure cannot be drawn: Error: made up"
    empty = "[...document.querySelectorAll('[data-figure]')].filter((figure) => !figure.querySelector('.chart svg')).map((figure) => figure.id)"
    assert chromium.run(empty) == ["figure-span-heads"]
    chromium.run("(() => { const box = document.querySelector('.chooser[data-task=span] input'); box.click(); })()")
    assert len(chromium.errors) == 1 and "made up" in chromium.errors[0]
    chromium.errors.clear()


def test_text_of_the_data_stays_text_everywhere(browser):
    draw_all(browser)
    browser.run("document.querySelector('#explorer-form [name=words]').value = ''")
    browser.run("document.querySelector('#explorer-list button').click()")
    shown = browser.run("document.getElementById('explorer-question').textContent")
    assert ATTACKS["question"] in shown and ATTACKS["context"] in shown and ATTACKS["id"] in shown
    assert ATTACKS["head"] in shown
    for table in ("span-heads", "span-control"):
        assert ATTACKS["head"] in browser.run(f"document.querySelector('table[data-table={table}]').textContent")
    assert ATTACKS["head"][:32] in browser.run("document.querySelector('#figure-span-heads svg').textContent")  # long names are cut
    # A tooltip of a mark, and the dialog of a row's files.
    browser.run("document.querySelector('table[data-table=span-heads] tr:not(.bert) a[href^=\"#source\"]').click()")
    assert browser.run("document.getElementById('source').open")
    assert ATTACKS["head"] in browser.run("document.getElementById('source-list').textContent")
    assert browser.run("window.attacked") is None
    assert browser.run("[...document.querySelectorAll('img, script[src], [onerror], [onmouseover]')].length") == 0
    assert browser.errors == []


def test_a_table_sorts_filters_and_unfolds_its_seeds_by_keyboard(browser):
    browser.run("void Tables.make(document.querySelector('table[data-table=span-heads]'))")
    table = "document.querySelector('table[data-table=span-heads]')"
    column = browser.run(f"[...{table}.tHead.rows[0].cells].findIndex((cell) => cell.textContent.trim() === 'F1')")
    values = f"[...{table}.tBodies[0].rows].map((row) => parseFloat(row.cells[{column}].textContent))"
    before = browser.run(values)
    for wanted in (sorted(before), sorted(before, reverse=True)):
        browser.run(f"{table}.tHead.rows[0].cells[{column}].querySelector('[tabindex]').focus()")
        browser.key("Enter", 13, "\r")
        browser.until(f"JSON.stringify({values}) === JSON.stringify({json.dumps(wanted)})")
    assert browser.run(f"{table}.tHead.rows[0].cells[{column}].getAttribute('aria-sort')") == "descending"
    browser.run(f"{table}.tBodies[0].querySelector('button.unfold').focus()")
    browser.key("Enter", 13, "\r")
    assert browser.run(f"{table}.tBodies[0].querySelectorAll('tr.seed').length") == 2
    assert browser.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    browser.key("Enter", 13, "\r")
    assert browser.run(f"{table}.tBodies[0].querySelectorAll('tr.seed').length") == 0
    browser.run("""(() => { const box = document.querySelector('#span-heads input[type=search]'); box.value = 'BERT';
        box.dispatchEvent(new Event('input', { bubbles: true })); })()""")
    browser.until(f"{table}.tBodies[0].rows.length === 2")
    assert set(browser.run(f"[...{table}.tBodies[0].rows].map((row) => row.className)")) == {"bert"}


def choose(browser, **fields):
    for name, value in fields.items():
        browser.run(
            f"(() => {{ const field = document.getElementById('explorer-form').{name}; field.value = {json.dumps(value)};"
            "field.dispatchEvent(new Event(field.tagName === 'INPUT' ? 'input' : 'change', { bubbles: true })); })()"
        )


def found(browser):
    text = browser.run("document.getElementById('explorer-count').textContent")
    return int(re.match(r"[\d,]+", text)[0].replace(",", ""))


def test_filters_of_the_explorer_agree_with_the_tables(browser):
    fates = "document.querySelector('table[data-table=span-history] tr.bert')"
    cells = browser.run(f"[...{fates}.cells].map((cell) => cell.textContent.trim())")
    always, learned, forgotten, never = (int(cell) for cell in cells[2:6])
    assert found(browser) == 120 == always + learned + forgotten + never
    for which, count in (("learned", learned), ("forgotten", forgotten), ("never", never)):
        choose(browser, which=which)
        assert found(browser) == count, which
    choose(browser, which="unanswerable")
    assert 0 < found(browser) < 120
    assert "none: the question has no answer" in browser.run("document.getElementById('explorer-question').textContent")
    choose(browser, which="all", words=ATTACKS["id"])
    browser.until("document.getElementById('explorer-count').textContent.startsWith('1 of')")
    choose(browser, which="all", words="no such words anywhere")
    browser.until("document.getElementById('explorer-count').textContent.startsWith('0 of')")


def test_heads_right_where_bert_is_wrong_are_those_of_the_table(browser):
    rows = "[...document.querySelectorAll('table[data-table=span-context-lengths] tbody tr')]"
    rows = browser.run(f"{rows}.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))")
    assert len(rows) == 6
    for epoch, head, only_head, *_ in rows:
        choose(browser, epoch=epoch, head=head, which="heads")
        assert found(browser) == int(only_head)


def test_gold_answers_are_marked_and_answers_of_the_classification_task_are_shown(browser):
    choose(browser, which="learned", words="")
    marked = browser.run("[...document.querySelectorAll('#explorer-question mark')].map((mark) => mark.textContent).join('')")
    gold = re.search(r"Gold answer: (.*?)\. The answer", browser.run("document.getElementById('explorer-question').textContent"))[1]
    assert any(part in marked for part in gold.split(" / ")) or gold.startswith("none")
    choose(browser, task="2")  # after two seeds of the span task
    browser.until("document.getElementById('explorer-question').textContent.match(/no answer|has an answer/)")
    assert browser.errors == []


# The domain of a figure's x axis, where it is one for all panels.
DOMAIN = """(async (name) => {
  const { view } = await Figures.draw(document.querySelector(`[data-figure="${name}"]`));
  return view.scale("x").domain().join(" ");
})"""


def test_shift_with_the_wheel_zooms_a_figure_and_a_double_click_resets_it(browser):
    draw_all(browser)
    for name in ("span-fine-tuning", "span-shares", "span-second-best"):  # one view, panels, bars
        zoom_and_reset(browser, name)
    assert browser.errors == []


def zoom_and_reset(browser, name):
    figure = f"document.querySelector('[data-figure={name}]')"
    browser.run(f"{figure}.querySelector('svg').scrollIntoView({{ block: 'center' }})")
    left, top, width, height = browser.run(
        f"(() => {{ const box = ({figure}.querySelector('.cell path.background') || {figure}.querySelector('.root path.background'))"
        ".getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; })()"
    )
    place = {"x": left + width / 3, "y": top + height / 2}
    whole, scroll = browser.run(f"{DOMAIN}('{name}')"), browser.run("scrollY")
    before = whole
    for turn in ({"deltaX": 0, "deltaY": -120}, {"deltaX": -120, "deltaY": 0}):  # some browsers turn the wheel while shift is held
        browser.call("Input.dispatchMouseEvent", type="mouseWheel", modifiers=8, **place, **turn)
        browser.until(f"await {DOMAIN}('{name}') !== '{before}'")
        after = browser.run(f"{DOMAIN}('{name}')")
        assert spread_of(after) < spread_of(before), (name, turn)
        before = after
    assert browser.run("scrollY") == scroll
    for clicks in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=clicks, **place)
    browser.until(f"await {DOMAIN}('{name}') === '{whole}'")
    browser.call("Input.dispatchMouseEvent", type="mouseWheel", deltaX=0, deltaY=-120, **place)  # the page scrolls
    browser.until(f"scrollY < {scroll}")
    assert browser.run(f"{DOMAIN}('{name}')") == whole


def spread_of(domain):
    low, high = map(float, domain.split())
    return high - low


def test_a_choice_of_models_and_checkpoints_changes_the_figures(browser):
    draw_all(browser)
    marks = "document.querySelectorAll('#figure-span-heads .chart svg .mark-symbol.role-mark path').length"
    before = browser.run(marks)
    boxes = "document.querySelectorAll('.chooser[data-task=span] details')"
    browser.run(f"[...{boxes}[1].querySelectorAll('input')].filter((box) => box.value !== '1')[0].click()")
    browser.run(f"[...{boxes}[0].querySelectorAll('input')].find((box) => box.value === 'adapter 386 shared').click()")
    browser.until(f"{marks} < {before}")
    assert browser.errors == []


@pytest.mark.parametrize("looks", [WIDE | {"dark": True}, PHONE, PHONE | {"dark": True}], ids=["dark", "phone", "dark phone"])
def test_it_is_no_wider_than_the_window_in_any_looks(chromium, page, looks):
    chromium.errors.clear()
    chromium.open(page, **looks)
    draw_all(chromium)
    chromium.run("document.querySelectorAll('#configurations, #configurations *').forEach((one) => { one.open = true; })")  # long names
    assert chromium.run("document.documentElement.scrollWidth") <= looks["width"]
    ink, paper = chromium.run(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number)"
        ".reduce((sum, one) => sum + one, 0))"
    )
    assert (ink > paper) == bool(looks.get("dark"))
    assert chromium.errors == []


def test_the_controls_of_a_table_stand_at_its_left_on_a_phone(chromium, page):
    chromium.open(page, **PHONE)
    draw_all(chromium)
    names = json.dumps(["#span-heads", "#span-heads .dt-search label", "#span-heads .dt-buttons button"])
    table, *controls = chromium.run(f"{names}.map((name) => document.querySelector(name).getBoundingClientRect().x)")
    assert all(0 <= left - table < 5 for left in controls)


def test_its_landmarks_and_controls_have_names(browser):
    nameless = """[...document.querySelectorAll('button, a[href], input, select, section, table, [role=region]')].filter((one) => {
        const label = one.getAttribute('aria-label') || one.textContent.trim() || (one.labels && one.labels.length)
            || (one.getAttribute('aria-labelledby') && document.getElementById(one.getAttribute('aria-labelledby')));
        return !label;
    }).map((one) => one.outerHTML.slice(0, 120))"""
    draw_all(browser)
    assert browser.run(nameless) == []
    assert browser.run("document.querySelectorAll('table[data-table]:not(:has(> caption))').length") == 0
    assert browser.run("document.querySelectorAll('main, header, nav').length") == 3
    levels = browser.run("[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))


def test_paper_has_all_figures_and_the_rows_of_tables(browser):
    draw_all(browser)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('#figure-span-heads .chart')).overflowX") == "visible"
    browser.size(PAPER, 700)
    rights = "[...document.querySelectorAll('table, .chart svg')].map((one) => one.getBoundingClientRect().right)"
    assert max(browser.run(rights)) <= PAPER
    assert len(browser.call("Page.printToPDF")["data"]) > 100_000
    browser.call("Emulation.setEmulatedMedia", media="")
