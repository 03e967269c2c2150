"""Figures of BERT and of heads beside it."""

from groups import seeds_of
from marks import (
    ANSWERED,
    BLUE,
    EM,
    F1,
    GREEN,
    GREY,
    NUMBER,
    VERMILLION,
    about,
    by_model,
    category,
    colored,
    epochs_of,
    extent,
    hover,
    padded,
    quantity,
    specification,
    without_shape,
)

SCORE_COLORS = {EM: VERMILLION, F1: BLUE, ANSWERED: GREEN, "accuracy": VERMILLION}


def score_rows(result):
    """EM (in the classification task: accuracy) and F1, as rows of a figure."""
    exact = "accuracy" if result.task == "classification" else EM
    pairs = [(exact, result.main.get("exact")), (F1, result.main.get("f1"))]
    return [{"score": name, "value": value} for name, value in pairs if value is not None]


def curve_rows(result):
    answered = [{"score": ANSWERED, "value": result.main["HasAns_f1"]}] if "HasAns_f1" in result.main else []
    return score_rows(result) + answered


def fine_tuning_curve(berts, baseline):
    """Scores over epochs: one point for each checkpoint and seed, a line through the means. In the span task also F1 of the questions
    with an answer: a model that says "none" to all has a fair F1 over all. `baseline` is the score of the trivial answer."""
    rows = [about(bert, at=float(bert.epoch), seed=bert.seed, **row) for bert in berts for row in curve_rows(bert)]
    names = list(dict.fromkeys(row["score"] for row in rows))
    domain = extent([row["value"] for row in rows] + ([] if baseline is None else [baseline]))
    color = colored("score", names, colors=[SCORE_COLORS[name] for name in names])
    x = padded(quantity("at", "epochs of fine-tuning", zero=True, axis={"format": NUMBER}))
    y = padded(quantity("value", "percent", domain=domain))
    layers = [
        {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": x, "y": {**y, "aggregate": "mean"}, **without_shape(color)},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                **color,
                "tooltip": hover(("epoch", "epoch"), ("seed", "seed"), ("score", "score"), ("value", "percent")),
            },
        },
    ]
    if baseline is not None:
        rule = {"y": {"datum": baseline, "type": "quantitative", "title": "percent"}}
        layers.insert(0, {"mark": {"type": "rule", "strokeDash": [4, 4], "color": GREY}, "encoding": rule})
    return specification(rows, {"layer": layers}, width=620, height=300)


def _names_by_parameters(groups):
    """Names of models, the largest first: BERT on top."""
    order = sorted({(-(group.parameters or 0), group.label) for group in groups})
    return list(dict.fromkeys(["BERT", *(name for _, name in order)]))


def heads_against_bert(groups):
    """One row for each model, one column for each score, one colour and shape for each checkpoint: the mean, and a line
    from the seed with the lowest score to the seed with the highest."""
    rows = []
    for group in groups:
        by_score = {}
        for result in group.results:
            for row in score_rows(result):
                by_score.setdefault(row["score"], []).append(row["value"])
        for score, values in by_score.items():
            mean = sum(values) / len(values)
            rows.append(about(group, score=score, value=mean, low=min(values), high=max(values), seeds=len(seeds_of(group.results))))
    color = colored("epoch", epochs_of(groups), "states of epoch")
    y = category("model", order=_names_by_parameters(groups), axis={"labelLimit": 260, "grid": True})
    shift = {"yOffset": {"field": "epoch", "sort": epochs_of(groups)}}
    x = padded(quantity("value", "percent", axis={"tickCount": 6}))
    tips = hover(("model", "model"), ("epoch", "epoch"), ("score", "score"), ("value", "mean"), ("low", "least seed"),
                 ("high", "largest seed"), ("seeds", "seeds"))
    body = {
        "facet": {"column": {"field": "score", "title": None, "sort": [EM, "accuracy", F1]}},
        "spec": {
            "width": 290,
            "height": {"step": 24, "for": "position"},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 2},
                    "encoding": {"y": y, **shift, "x": {**x, "field": "low"}, "x2": {"field": "high"},
                                 **without_shape(color)},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                    "encoding": {"y": y, **shift, "x": x, **color, "tooltip": tips},
                },
            ],
        },
    }  # fmt: skip
    return specification(rows, body)


def pareto_front(points, title):
    """Parameters against a score with its interval. `points`: model, epoch, parameters, value, low, high, front (whether
    nothing with as few parameters is better)."""
    epochs = sorted({point["epoch"] for point in points}, key=lambda label: (len(label.split("/")), _as_number(label)))
    color = colored("epoch", epochs, "states of epoch")
    sizes = [point["parameters"] for point in points]
    middle = (min(sizes) * max(sizes)) ** 0.5
    front = sorted((point for point in points if point["front"]), key=lambda point: point["parameters"])
    points = [
        {
            **point,
            "at": point["parameters"] * 1.07 ** epochs.index(point["epoch"]),  # side by side, not on each other
            **({"place": front.index(point)} if point["front"] else {}),
        }
        for point in points
    ]
    x = quantity("at", "parameters", axis={"format": "~s", "values": [10**power for power in range(2, 11)]})
    x["scale"] = {"type": "log", "domain": [min(sizes) / 2, 2 * max(sizes)], "nice": False}
    y = quantity("value", title, domain=extent([v for p in points for v in (p["low"], p["high"], p["value"])]))
    tips = hover(("model", "model"), ("epoch", "epoch"), ("value", "percent"), ("low", "from"), ("high", "to"))
    tips.insert(2, {"field": "parameters", "title": "parameters", "type": "quantitative", "format": ","})
    body = {
        "layer": [
            {
                "transform": [{"filter": "datum.front"}],
                "mark": {"type": "line", "interpolate": "step-after", "color": GREY, "strokeDash": [5, 3]},
                "encoding": {"x": x, "y": y, "order": {"field": "at"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **without_shape(color)},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
                "encoding": {"x": x, "y": y, **color, "tooltip": tips},
            },
            {
                "transform": [{"filter": f"datum.place === 0 || datum.place === {len(front) - 1}"}],
                "mark": {
                    "type": "text",
                    "align": {"expr": f"datum.parameters < {middle} ? 'left' : 'right'"},
                    "dx": {"expr": f"datum.parameters < {middle} ? 6 : -6"},
                    "dy": {"expr": "datum.place ? -22 : -8"},  # the two names do not lie on each other
                    "fontSize": 11,
                    "limit": 200,
                },
                "encoding": {"x": x, "y": y, "text": {"field": "model"}},
            },
        ]
    }
    return specification(points, body, width=680, height=360)


def _as_number(label):
    upper, _, lower = label.partition("/")
    return float(upper) / float(lower or 1)


def answers_kinds(groups):
    """F1 of questions without an answer against F1 of questions with an answer: it shows who wins by saying "none"."""
    rows = []
    for group in groups:
        has, none = group.main("HasAns_f1"), group.main("NoAns_f1")
        if has is not None and none is not None:
            rows.append(about(group, x=none, y=has, kind="BERT" if group.name == "BERT" else "head"))
    color = colored("epoch", epochs_of(groups), "states of epoch")
    body = {
        "mark": {"type": "point", "size": 70, "strokeWidth": 2},
        "encoding": {
            "x": padded(quantity("x", "F1 of questions without an answer")),
            "y": padded(quantity("y", "F1 of questions with an answer")),
            "color": color["color"],
            "shape": {"field": "kind", "title": None, "scale": {"domain": ["BERT", "head"], "range": ["square", "circle"]}},
            "tooltip": hover(("model", "model"), ("epoch", "epoch"), ("x", "without an answer"), ("y", "with an answer")),
        },
    }
    return specification(rows, body, width=480, height=340) if rows else None


def epochs_of_heads(lines, title):
    """How a head got on over its own epochs: one panel for each head, one line for each checkpoint. `lines`: model, epoch, seed, at, value."""
    epochs = sorted({line["epoch"] for line in lines}, key=_as_number)
    color = colored("epoch", epochs, "states of epoch")
    body = {
        "facet": by_model(lines),
        "columns": 4,
        "spec": {
            "width": 170,
            "height": 110,
            "mark": {"type": "line", "point": {"size": 22}, "strokeWidth": 1.5},
            "encoding": {
                "x": padded(quantity("at", "epochs of the head", zero=True, axis={"tickCount": 4, "format": NUMBER}), 4),
                "y": padded(quantity("value", title, axis={"tickCount": 4}), 4),
                "detail": {"field": "seed"},
                **without_shape(color),
                "tooltip": hover(("model", "head"), ("epoch", "states of epoch"), ("seed", "seed"), ("at", "its epoch"),
                                 ("value", title)),
            },
        },
    }  # fmt: skip
    return specification(lines, body)


def speed_of_heads(points):
    """One row for each checkpoint, one colour for each task and seed: sequences a second, and percent of the time waiting for states."""
    color = colored("run", list(dict.fromkeys(point["run"] for point in points)))
    tips = [{"field": "run"}, {"field": "states"}, {"field": "heads", "title": "heads together"},
            {"field": "speed", "title": "sequences a second", "format": ",.1f"}, {"field": "waiting", "title": "waiting %", "format": ".2f"}]
    y = category("states", order=list(dict.fromkeys(point["states"] for point in points)), axis={"grid": True, "labelLimit": 200})
    panels = [
        {
            "width": 340,
            "height": {"step": 24},
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.8},
            "encoding": {"x": x, "y": y, **color, "tooltip": tips},
        }
        for x in (_logarithmic("speed", "sequences a second"),
                  padded(quantity("waiting", "waiting for states, percent of the time", zero=True, axis={"tickCount": 5})))
    ]  # fmt: skip
    return specification(points, {"concat": panels, "columns": 2})


def own_steps(points):
    """One row for each head, in the order of its cost. `points`: model, epoch, seed, pass, value (milliseconds a sequence)."""
    color = colored("epoch", sorted({point["epoch"] for point in points}, key=_as_number), "states of epoch")
    tips = hover(("model", "head"), ("epoch", "states of epoch"), ("seed", "seed"), ("pass", "pass"), ("value", "ms"), digits=".3g")
    body = {
        "mark": {"type": "point", "filled": True, "size": 50, "opacity": 0.8},
        "encoding": {
            "x": _logarithmic("value", "milliseconds of a rank for a sequence"),
            "y": category("model", order=list(dict.fromkeys(point["model"] for point in sorted(points, key=lambda one: one["value"]))),
                          axis={"grid": True, "labelLimit": 260}),
            **color,
            "tooltip": tips,
        },
    }  # fmt: skip
    return specification(points, body, width=480, height={"step": 20})


def _logarithmic(field, title):
    scale = {"type": "log", "padding": 8, "nice": False}
    return {**quantity(field, title, axis={"tickCount": 5, "format": NUMBER}), "scale": scale}
