"""Figures of the judgement: precision and recall, null odds, calibration, selective answering, learning history."""

from marks import BLUE, GREEN, GREY, VERMILLION, by_model, category, colored, hover, padded, quantity, specification, without_shape


def _panels(rows, inner, *, columns=3):
    """One panel for each checkpoint."""
    body = {"facet": {"field": "epoch", "title": "states of epoch"}, "columns": columns, "spec": inner}
    return specification(rows, body)


def _lines(rows, x, y, tips):
    """One line for each model, BERT's in blue and on top."""
    encoding = {"x": x, "y": y, "detail": {"field": "model"}, "tooltip": tips}
    heads = {
        "transform": [{"filter": "datum.model !== 'BERT'"}],
        "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.5, "color": GREY},
        "encoding": encoding,
    }
    bert = {
        "transform": [{"filter": "datum.model === 'BERT'"}],
        "mark": {"type": "line", "strokeWidth": 2.5, "color": BLUE},
        "encoding": encoding,
    }
    return _panels(rows, {"width": 270, "height": 220, "layer": [heads, bert]})


def precision_recall(rows):
    tips = hover(("model", "model"), ("epoch", "epoch"), ("x", "recall"), ("y", "precision"))
    return _lines(rows, quantity("x", "recall, percent", zero=True), quantity("y", "precision, percent"), tips)


def null_odds(rows):
    """One panel for each model and checkpoint, each with scales of its own: null odds grow over fine-tuning."""
    kinds = ["with an answer", "without an answer"]
    color = colored("kind", kinds, colors=[BLUE, VERMILLION])
    tips = hover(("model", "model"), ("kind", "questions"), ("low", "from"), ("high", "to"), ("value", "questions"))
    panels = [
        {
            "title": f"epoch {epoch}: {model}",
            "transform": [{"filter": {"and": [{"field": "model", "equal": model}, {"field": "epoch", "equal": epoch}]}}],
            "width": 260,
            "height": 110,
            "mark": {"type": "bar", "opacity": 0.55},
            "encoding": {
                "x": quantity("low", "null odds", bin={"binned": True}),
                "x2": {"field": "high"},
                "y": quantity("value", "questions", zero=True, stack=None),
                **without_shape(color),
                "tooltip": tips,
            },
        }
        for epoch, model in dict.fromkeys((row["epoch"], row["model"]) for row in rows)
    ]
    return specification(rows, {"concat": panels, "columns": 2})


def reliability(rows, epochs):
    """How often answers of a given confidence are right: on the diagonal the confidence is right. One panel for each model, one line for
    each checkpoint; `epochs` are the labels of the checkpoints in their order."""
    axis = {"tickCount": 4}
    x = padded(quantity("x", "confidence, percent", domain=[0, 100], axis=axis), 4)
    y = padded(quantity("y", "right, percent", domain=[0, 100], axis=axis), 4)
    diagonal = {
        "data": {"values": [{"x": 0, "y": 0}, {"x": 100, "y": 100}]},
        "mark": {"type": "line", "color": GREY, "strokeDash": [4, 4]},
        "encoding": {"x": x, "y": y},
    }
    tips = hover(("model", "model"), ("epoch", "epoch"), ("x", "confidence"), ("y", "right"), ("count", "questions"))
    own = {
        "mark": {"type": "line", "point": {"size": 16}, "strokeWidth": 1.2},
        "encoding": {"x": x, "y": y, **without_shape(colored("epoch", epochs, "states of epoch")), "tooltip": tips},
    }
    body = {
        "facet": by_model(rows, labelFontSize=11, labelLimit=190),
        "columns": 5,
        "spec": {"width": 170, "height": 150, "layer": [diagonal, own]},
    }
    return specification(rows, body)


def risk_coverage(rows):
    tips = hover(("model", "model"), ("epoch", "epoch"), ("x", "answered"), ("y", "wrong"))
    x = quantity("x", "share answered, percent", zero=True)
    return _lines(rows, x, quantity("y", "wrong of the answered, percent", zero=True), tips)


def learning(changes, firsts, kinds, afterwards):
    """Two panels: `changes`, the questions learned and forgotten between checkpoints (epoch, kind of `kinds`, count, value), and `firsts`,
    when questions were first right (first, kind of `afterwards`, count)."""
    changed = _stacked(changes, "epoch", "value", kinds, [BLUE, GREEN, VERMILLION])
    changed["encoding"]["y"]["title"] = "questions (forgotten ones below 0)"
    ordered = _stacked(firsts, "first", "count", afterwards, [BLUE, GREEN, VERMILLION, GREY])
    panels = [
        {"title": "Learned and forgotten at each checkpoint", **changed},
        {"title": "The first checkpoint with a right answer", **ordered},
    ]
    rows = [{**row, "order": kinds.index(row["kind"])} for row in changes]
    rows += [{**row, "order": afterwards.index(row["kind"])} for row in firsts]
    return specification(rows, {"concat": panels, "columns": 2, "resolve": {"scale": {"color": "independent"}}})


def _stacked(rows, place, value, kinds, colors):
    """A panel of bars over checkpoints, of the rows that have this `place`."""
    places = list(dict.fromkeys(row[place] for row in rows))
    axis = {"labelAngle": 0, "labelOverlap": "greedy"}
    return {
        "transform": [{"filter": f"isValid(datum.{place})"}],
        "width": 420,
        "height": 260,
        "mark": {"type": "bar"},
        "encoding": {
            "x": {"field": place, "type": "ordinal", "sort": places, "title": "epochs of fine-tuning", "axis": axis},
            "y": quantity(value, "questions", zero=True),
            "color": {
                "field": "kind",
                "title": None,
                "scale": {"domain": kinds, "range": colors},
                "legend": {"columns": 1},
            },
            "order": {"field": "order"},
            "tooltip": hover((place, "epoch"), ("kind", "which"), ("count", "questions"), digits=",.0f"),
        },
    }


def separating_words(rows):
    order = [row["word"] for row in sorted(rows, key=lambda row: row["value"])]
    body = {
        "mark": {"type": "bar"},
        "encoding": {
            "y": category("word", order=list(dict.fromkeys(order))),
            "x": quantity("value", "log odds of right against wrong, in standard errors (z)", zero=True, axis={"tickCount": 6}),
            "color": {"condition": {"test": "datum.value > 0", "value": BLUE}, "value": VERMILLION},
            "tooltip": hover(("word", "word"), ("value", "z"), ("count", "questions")),
        },
    }
    return specification(rows, body, width=420, height={"step": 16})


def selectivity_by_layer(rows, kinds):
    """Scores over the hidden states: one panel for each kind of score, one line for each checkpoint and recipe, one colour for each
    checkpoint. Where there is no interval, `low` and `high` are the value."""
    color = colored("epoch", list(dict.fromkeys(row["epoch"] for row in rows)), "states of epoch")
    x = padded(quantity("layer", "hidden state"))
    tips = hover(("layer", "hidden state"), ("epoch", "epoch"), ("value", "percent"), ("low", "at least"), ("high", "at most"))
    line = {**without_shape(color), "x": x, "y": padded(quantity("value", "percent"))}
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    dash = {}
    if len(recipes) > 1:
        dash = {"strokeDash": category("recipe", "recipe", order=recipes)}
        tips[2:2] = hover(("recipe", "recipe"))
    body = {
        "facet": {"column": {"field": "kind", "title": None, "sort": kinds}},
        "resolve": {"scale": {"y": "independent"}},
        "spec": {
            "width": 230,
            "height": 200,
            "layer": [
                {
                    "mark": {"type": "rule", "opacity": 0.5},
                    "encoding": {**without_shape(color), "x": x, "y": {**line["y"], "field": "low"}, "y2": {"field": "high"}},
                },
                {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {**line, **dash}},
                {
                    "mark": {"type": "point", "filled": True, "size": 32, "opacity": 1},
                    "encoding": {**line, **color, "tooltip": tips},
                },
            ],
        },
    }
    return specification(rows, body)
