"""Figures of the experiments, of second-best answers, of poolings and of single layers."""

from charts import curve_rows
from marks import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    about,
    by_model,
    category,
    colored,
    epochs_of,
    hover,
    padded,
    quantity,
    specification,
    without_shape,
)
from run_model import POOLED_OUTPUT, label_of


def _dots(rows, kinds, *, x_title="F1, percent", colors=(BLUE, VERMILLION, GREEN)):
    """A row each `what`, a colour and shape each `kind`; a line joins them."""
    y = category("what", axis={"labelLimit": 400, "grid": True}, order=list(dict.fromkeys(row["what"] for row in rows)))
    color = colored("kind", kinds, colors=list(colors))
    x = padded(quantity("value", x_title, axis={"tickCount": 6}))  # more labels touch where they have five digits
    tips = hover(("what", "what"), ("kind", "which"), ("value", "percent"))
    layers = [
        {
            "mark": {"type": "line", "color": GREY, "strokeWidth": 1},
            "encoding": {"y": y, "x": x, "detail": {"field": "what"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
            "encoding": {"y": y, "x": x, **color, "tooltip": tips},
        },
    ]
    return specification(rows, {"layer": layers}, width=420, height={"step": 22})


def mixed(rows):
    """F1 of a head where it was trained, on another checkpoint's states, and of one trained there."""
    return _dots(rows, ["where it was trained", "on the other checkpoint", "trained on the other"])


def ensembles(rows):
    return _dots(rows, ["best of the models", "maximum", "mean"])


def share_curves(groups):
    """F1 over the share of the training questions: one panel for each head, one line for each checkpoint."""
    rows = [about(group, share=100 * group.share, value=group.main("f1")) for group in groups]
    color = colored("epoch", epochs_of(groups), "states of epoch")
    tips = hover(("model", "head"), ("epoch", "epoch"), ("share", "% of the questions"), ("value", "F1"))
    encoding = {
        "x": padded(quantity("share", "percent of the training questions", zero=True)),
        "y": padded(quantity("value", "F1, percent")),
    }
    body = {
        "facet": by_model(rows),
        "columns": 3,
        "spec": {
            "width": 220,
            "height": 150,
            "layer": [
                {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {**encoding, **without_shape(color)}},
                {
                    "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
                    "encoding": {**encoding, **color, "tooltip": tips},
                },
            ],
        },
    }
    return specification(rows, body)


def layers_text(layers):
    """0, 3 to 6: a list of layers, runs of three and more drawn together."""
    runs = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(str(layer) for layer in run) for run in runs
    )


def layer_subsets(groups):
    """F1 by the layers a head reads: one panel for each head, one row for each subset (the fewest layers first), one colour for each checkpoint."""
    subsets = sorted({tuple(group.layers) for group in groups}, key=lambda layers: (len(layers), layers))
    rows = [about(group, layers=layers_text(group.layers), value=group.main("f1")) for group in groups]
    color = colored("epoch", epochs_of(groups), "states of epoch")
    order = [layers_text(layers) for layers in subsets]
    body = {
        "facet": by_model(rows),
        "columns": 2,
        "spec": {
            "width": 270,
            "height": {"step": 22},
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {
                "x": padded(quantity("value", "F1, percent")),
                "y": category("layers", "hidden states read", order=order, axis={"grid": True, "labelLimit": 200}),
                **color,
                "tooltip": hover(("model", "head"), ("epoch", "epoch"), ("layers", "hidden states"), ("value", "F1")),
            },
        },
    }
    return specification(rows, body)


def second_best(rows, epochs):
    """How many questions the best answer gets right, and the second-best one where the best is wrong."""
    kinds = ["best answer right", "only the second-best right", "neither"]
    body = {
        "facet": {"column": {"field": "epoch", "title": "states of epoch", "sort": epochs}},
        "spec": {
            "width": 210,
            "height": {"step": 18},
            "mark": {"type": "bar"},
            "encoding": {
                "y": category("model", order=list(dict.fromkeys(row["model"] for row in rows)), axis={"labelLimit": 260}),
                "x": quantity("value", "percent of the questions", zero=True, stack="zero"),
                "color": {"field": "kind", "title": None, "scale": {"domain": kinds, "range": [BLUE, GREEN, "#bbbbbb"]}},
                "order": {"field": "order"},
                "tooltip": hover(("model", "model"), ("kind", "which"), ("value", "percent")),
            },
        },
    }
    return specification([{**row, "order": kinds.index(row["kind"])} for row in rows], body)


def layer_weights(groups):
    """Weights of each learned pooling over the hidden states: one row for each head, one panel for each checkpoint; means over seeds."""
    sums = {}
    for group in groups:
        for head in group.results:
            for place, learned in enumerate(head.layer_weights):
                suffix = f", pooling {place + 1}" if len(head.layer_weights) > 1 else ""
                for state, weight in zip(head.weighed_states(learned), learned["weights"]):
                    key = (label_of(head.epoch), head.label, suffix, state)
                    sums.setdefault(key, []).append(weight)
    rows = [
        {"epoch": epoch, "model": name, "row": name + suffix, "state": state, "value": sum(weights) / len(weights)}
        for (epoch, name, suffix, state), weights in sums.items()
    ]
    states = sorted({row["state"] for row in rows}, key=lambda state: (state != POOLED_OUTPUT, len(state), state))
    body = {
        "facet": {"row": {"field": "epoch", "title": "states of epoch", "sort": epochs_of(groups)}},
        "spec": {
            "width": {"step": 30},
            "height": {"step": 20},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {"field": "state", "type": "ordinal", "sort": states, "axis": {"labelAngle": 0, "labelOverlap": False},
                      "title": "hidden state (0 = embedding output)"},
                "y": category("row", axis={"labelLimit": 300}),
                "color": {"field": "value", "type": "quantitative", "title": "weight",
                          "scale": {"scheme": "viridis", "zero": True}},
                "tooltip": hover(("row", "head"), ("epoch", "epoch"), ("state", "hidden state"), ("value", "weight"),
                                 digits=".4f"),
            },
        },
    }  # fmt: skip
    return specification(rows, body)


def layer_atlas(groups):
    """Heat maps of hidden state and epoch, one a score, each in colours of its own; the value stands in each field."""
    rows = []
    for group in groups:
        by_score = {}
        for probe in group.results:
            for row in curve_rows(probe):
                by_score.setdefault(row["score"], []).append(row["value"])
        for score, values in by_score.items():
            row = {"epoch": label_of(group.epoch), "layer": group.layers[0], "score": score}
            rows.append({**row, "value": sum(values) / len(values)})
    epochs = epochs_of(groups)
    maps = []
    for score in dict.fromkeys(row["score"] for row in rows):
        values = [row["value"] for row in rows if row["score"] == score]
        middle = (min(values) + max(values)) / 2
        place = {
            "x": {"field": "epoch", "type": "ordinal", "sort": epochs, "title": "epochs of fine-tuning",
                  "axis": {"labelAngle": 0}},
            "y": {"field": "layer", "type": "ordinal", "sort": "descending", "title": "hidden state"},
        }  # fmt: skip
        color = {"field": "value", "type": "quantitative", "legend": None, "scale": {"scheme": "viridis", "zero": False}}
        tips = hover(("layer", "hidden state"), ("epoch", "epoch"), ("value", "percent"))
        text_color = {"condition": {"test": f"datum.value > {middle}", "value": "black"}, "value": "white"}
        maps.append(
            {
                "title": score,
                "transform": [{"filter": {"field": "score", "equal": score}}],
                "width": {"step": 46},
                "height": {"step": 22},
                "layer": [
                    {"mark": {"type": "rect"}, "encoding": {**place, "color": color, "tooltip": tips}},
                    {
                        "mark": {"type": "text", "fontSize": 11},
                        "encoding": {
                            **place,
                            "text": {"field": "value", "type": "quantitative", "format": ".1f"},
                            "color": text_color,
                        },
                    },
                ],
            }
        )
    return specification(rows, {"hconcat": maps, "resolve": {"scale": {"color": "independent"}}})


def context_lengths(rows, kinds):
    """Lengths of the contexts of questions that one of two models alone gets right: quartiles, and the middle 90 %."""
    y = category("model", axis={"labelLimit": 260}, order=list(dict.fromkeys(row["model"] for row in rows)))
    shift = {"yOffset": {"field": "kind", "sort": kinds}}
    color = {"field": "kind", "title": None, "scale": {"domain": kinds, "range": [BLUE, VERMILLION, GREEN, PURPLE]}}
    tips = [
        {"field": field, "title": title}
        for field, title in (("model", "head"), ("epoch", "epoch"), ("kind", "which"), ("count", "questions"),
                             ("median", "median"), ("q1", "a quarter below"), ("q3", "a quarter above"))
    ]  # fmt: skip
    title = "word pieces of the context"
    body = {
        "facet": {"column": {"field": "epoch", "title": "states of epoch"}},
        "spec": {
            "width": 230,
            "height": {"step": 26, "for": "position"},
            "layer": [
                {
                    "mark": {"type": "rule"},
                    "encoding": {"y": y, **shift, "x": quantity("low", title), "x2": {"field": "high"}, "color": color},
                },
                {
                    "mark": {"type": "bar", "size": 8},
                    "encoding": {"y": y, **shift, "x": quantity("q1", title), "x2": {"field": "q3"}, "color": color,
                                 "tooltip": tips},
                },
                {
                    "mark": {"type": "tick", "color": "white", "thickness": 2, "size": 8},
                    "encoding": {"y": y, **shift, "x": quantity("median", title)},
                },
            ],
        },
    }  # fmt: skip
    return specification(rows, body)
