"""The common part of all figures: colours, letters, hovering, zooming, choosing. Figures are Vega-Lite as plain objects."""

from run_model import label_of

EM, F1, ANSWERED = "EM", "F1", "F1 of questions with an answer"

# Okabe and Ito's colours, which colour-blind people tell apart; shapes repeat what they say.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#888888",
)
COLORS = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
FONT = "Helvetica, Arial, sans-serif"

# The style of drawings for paper; the page has a light and a dark one of its own (templates/figures.js).
PRINT = {
    "font": FONT,
    "background": "white",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelSeparation": 6, "gridColor": "#e8e8e8"},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "orient": "top", "symbolSize": 80,
               "labelLimit": 320},
    "header": {"labelLimit": 280, "labelFontSize": 13, "labelFontWeight": "bold", "titleFontWeight": "normal"},
    "title": {"fontSize": 13, "anchor": "start", "limit": 330},
}

# Shift with the wheel or with dragging: the page itself scrolls by these without shift. A double click resets.
ZOOM = {
    "type": "interval",
    "zoom": "wheel![event.shiftKey]",
    "translate": "[pointerdown[event.shiftKey], window:pointerup] > window:pointermove!",
}

# Set by the page when a reader chooses models or checkpoints; null is all of them.
CHOICES = [{"name": "chosen_models", "value": None}, {"name": "chosen_epochs", "value": None}]
CHOSEN = [
    {"filter": "!isValid(chosen_models) || !isValid(datum.model) || indexof(chosen_models, datum.model) >= 0"},
    {"filter": "!isValid(chosen_epochs) || !isValid(datum.epoch) || indexof(chosen_epochs, datum.epoch) >= 0"},
]


def zoomable(part, name="zoom", fixed=()):
    """A figure, or a part of one, whose continuous axes zoom. Axes of categories do not, so that a figure of these alone, such as
    a heat map, has no zoom. The panels of a facet zoom together, and so not on an axis on which each has a scale of its own."""
    for beside in ("concat", "hconcat"):
        if beside in part:
            return {**part, beside: [zoomable(one, f"{name}_{place}") for place, one in enumerate(part[beside])]}
    if "spec" in part:
        own = [axis for axis, how in part.get("resolve", {}).get("scale", {}).items() if how == "independent"]
        return {**part, "spec": zoomable(part["spec"], name, own)}
    marks = part.get("layer", [part])
    continuous = {axis for one in marks for axis in ("x", "y") if one["encoding"].get(axis, {}).get("type") == "quantitative"}
    axes = sorted(continuous.difference(fixed))
    if not axes:
        return part
    zoom = {"name": name, "select": {**ZOOM, "encodings": axes}, "bind": "scales"}
    if "layer" not in part:
        return {**part, "params": [*part.get("params", []), zoom], "mark": {**part["mark"], "clip": True}}
    layers = [{**one, "mark": {**one["mark"], "clip": True}} for one in marks]
    layers[-1]["params"] = [zoom]
    return {**part, "layer": layers}


def specification(rows, body, *, width=None, height=None):
    """A whole figure of `rows`, which the reader's choice of models and checkpoints filters, and which zooms where it can."""
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "transform": CHOSEN,
        **zoomable({"params": CHOICES, **body}),
    }
    if width:
        spec["width"] = width
    if height:
        spec["height"] = height
    return spec


# How an axis writes its numbers. Without a precision Vega takes the precision of the step between two ticks, and writes 10 as "1e+1".
NUMBER = ".6~g"


# Long names have two lines, as on a phone (templates/figures.js): cut names of heads would be the same.
TWO_LINES = r"length(datum.label) > 20 ? split(replace(datum.label, /^(.{6,20}) (.+)$/, '$1\n$2'), '\n') : datum.label"


def by_model(rows, **header):
    """A panel for each model of these rows, in their order."""
    return {"field": "model", "title": None, "sort": list(dict.fromkeys(row["model"] for row in rows)),
            "header": {"labelExpr": TWO_LINES, "labelLineHeight": 14, **header}}


def quantity(field, title, *, zero=False, domain=None, **more):
    scale = {"zero": zero}
    if domain:
        scale |= {"domain": domain, "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **more}


def padded(channel, points=8):
    """Keeps marks away from the border, where they would be cut."""
    return {**channel, "scale": {**channel["scale"], "padding": points, "nice": False}}


def category(field, title=None, *, order=None, **more):
    return {"field": field, "type": "nominal", "title": title, **({"sort": order} if order else {}), **more}


def colored(field, values, title=None, colors=COLORS):
    """Colour and shape of a few values."""
    values = list(values)
    if len(values) > len(colors):
        return {"color": {"field": field, "type": "ordinal", "sort": values, "title": title, "scale": {"scheme": "viridis"}}}
    scale = {"domain": values, "range": colors[: len(values)]}
    shapes = {"domain": values, "range": SHAPES[: len(values)]}
    return {
        "color": {"field": field, "type": "nominal", "title": title, "scale": scale},
        "shape": {"field": field, "type": "nominal", "title": title, "scale": shapes},
    }


def without_shape(encoding):
    """The encoding for marks that have no shape."""
    return {channel: value for channel, value in encoding.items() if channel != "shape"}


def hover(*fields, digits=".2f"):
    """The fields that a figure shows beside the pointer: (field, title), numbers by `digits`."""
    tips = []
    for field, title in fields:
        tip = {"field": field, "title": title}
        if field in ("value", "low", "high", "x", "y"):
            tip |= {"type": "quantitative", "format": digits}
        tips.append(tip)
    return tips


def epochs_of(results):
    return [label_of(epoch) for epoch in sorted({result.epoch for result in results})]


def about(group, **more):
    """The members that rows of figures have for a result or a group."""
    return {"model": group.label, "epoch": label_of(group.epoch), **more}


def extent(values, margin=3.0):
    """A domain of percent that holds the values and a margin."""
    return [max(0.0, min(values) - margin), min(100.0, max(values) + margin)]
