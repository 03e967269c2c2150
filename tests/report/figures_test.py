"""Figures of a run with all experiments: what can zoom does, and Vega-Lite takes them all."""

import re
import sys

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import pytest
import vl_convert
from charts import epochs_of_heads
from judgement_charts import separating_words
from marks import PRINT
from run_folder import read_run
from sections import build_report

sys.path.insert(0, str(bv.SOURCE / "tools" / "bench"))
import made_run

HEAT_MAPS = {"span-atlas", "span-layer-weights"}  # their axes are of categories


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "study"
    shape = made_run.Shape(questions=60, checkpoints=3, heads=4, head_checkpoints=2, seeds=1, experiments=True)
    made_run.write_run(run, shape)
    return build_report(read_run(run))


@pytest.fixture(scope="module")
def figures(report):
    return {figure.name: figure.spec for figure in report.figures()}


def views_of(part, fixed=()):
    """The places where marks are drawn: a list of layers each, with the axes on which panels have scales of their own."""
    for beside in ("concat", "hconcat"):
        if beside in part:
            return [view for one in part[beside] for view in views_of(one)]
    if "spec" in part:
        scales = part.get("resolve", {}).get("scale", {})
        return views_of(part["spec"], [axis for axis, how in scales.items() if how == "independent"])
    return [(part.get("layer", [part]), fixed)]


def zooms_of(layers):
    return [param for layer in layers for param in layer.get("params", []) if "select" in param]


def test_every_continuous_axis_zooms(figures):
    """But one on which each panel has a scale of its own: the panels zoom together."""
    assert set(figures) > HEAT_MAPS and len(figures) > 15
    for name, spec in figures.items():
        zooms = []
        for layers, fixed in views_of(spec):
            axes = {axis for layer in layers for axis in ("x", "y") if layer["encoding"].get(axis, {}).get("type") == "quantitative"}
            own = zooms_of(layers)
            assert [zoom["select"]["encodings"] for zoom in own] == ([sorted(axes - set(fixed))] if axes else []), name
            assert all(zoom["bind"] == "scales" and "event.shiftKey" in zoom["select"]["zoom"] for zoom in own), name
            assert all(layer["mark"]["clip"] for layer in layers if own), name
            zooms += own
        assert len({zoom["name"] for zoom in zooms}) == len(zooms), name
        assert bool(zooms) == (name not in HEAT_MAPS), name


def test_vega_lite_takes_every_figure(figures):
    for name, spec in figures.items():
        assert vl_convert.vegalite_to_vega(spec)["marks"], name


def test_the_reliability_diagram_shows_the_calibration_error_of_every_system(report, figures):
    (table,) = (table for table in report.tables() if table.name == "span-calibration")
    assert len(table.rows) == 3 + 4  # BERT at each checkpoint, and the heads at one of them
    bins = figures["span-reliability"]["data"]["values"]
    for row in table.rows:
        epoch, model, _, error = row.cells[:4]
        own = [one for one in bins if (one["model"], one["epoch"]) == (model, epoch.text)]
        gaps = [one["count"] * abs(one["y"] - one["x"]) for one in own]
        assert sum(gaps) / sum(one["count"] for one in own) == pytest.approx(error.mean, abs=0.01)


def test_forgetting_and_the_order_of_learning_stand_in_one_figure(report, figures):
    """Its numbers are those of the table of learning history."""
    (table,) = (table for table in report.tables() if table.name == "span-history")
    _, _, always, learned, forgotten, never, events, _ = table.rows[0].cells
    rows, count = figures["span-learning"]["data"]["values"], always + learned + forgotten + never
    firsts = [row for row in rows if "first" in row]
    assert sum(row["count"] for row in firsts) == count
    assert sum(row["count"] for row in firsts if row["first"] == "never") == never
    lost = sum(row["count"] for row in firsts if row["kind"] == "forgotten, wrong at the last")
    assert lost == forgotten and sum(row["value"] for row in rows if row.get("value", 0) < 0) == pytest.approx(-events * count)
    assert {"never", "never forgotten", "Learned and forgotten at each checkpoint"} <= set(drawn(figures["span-learning"]))


def test_no_two_columns_of_a_table_have_one_title(report):
    for table in report.tables():
        titles = [column.title.strip() for column in table.columns]
        assert len(set(titles)) == len(titles), table.name


def drawn(spec):
    """The texts in a figure as it stands on paper."""
    return re.findall(r">([^<>]+)</(?:text|tspan)>", vl_convert.vegalite_to_svg({**spec, "config": PRINT}))


@pytest.mark.parametrize("name", ["span-shares", "span-reliability"])
def test_titles_of_panels_are_whole_names_of_heads(report, name):
    """In two lines where they are long."""
    (spec,) = (figure.spec for figure in report.figures() if figure.name == name)
    shown = drawn(spec)
    models = {row["model"] for row in spec["data"]["values"]}
    assert max(map(len, models)) > 35 and not any("…" in text for text in shown)
    lines = {text for text in shown if any(text in model for model in models)}
    assert all(any(f"{one} {other}" == model for one in lines for other in lines) for model in models if len(model) > 20)


def test_zero_has_a_label_between_words_of_right_and_of_wrong_answers():
    words = [{"word": word, "value": value, "count": 9} for word, value in (("type", -2.24), ("why", -1.5), ("who", 1.7), ("wasn't", 2.25))]
    assert {"−2", "−1", "0", "1", "2"} <= set(drawn(separating_words(words)))  # not one at each half, of which a small figure drops some


def test_an_axis_of_epochs_writes_ten_as_ten():
    lines = [{"model": "head", "epoch": "1", "seed": 1, "at": at, "value": 50 + at} for at in range(1, 11)]
    drawing = vl_convert.vegalite_to_svg(epochs_of_heads(lines, "F1"))
    assert ">10</text>" in drawing and "1e+1" not in drawing
