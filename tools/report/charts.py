"""The report's figures as Altair charts."""

import altair
from run_folder import label_of

EM, F1, ANSWERED = "EM", "F1", "F1 of answerable questions"
COLORS = altair.Scale(domain=[EM, F1], range=["#8a5a00", "#1f5fa8"])
CURVE_COLORS = altair.Scale(domain=[EM, F1, ANSWERED], range=["#8a5a00", "#1f5fa8", "#3c8c5a"])
FONT = "Helvetica, Arial, sans-serif"


def _finished(chart):
    return (
        chart.configure(font=FONT, background="white")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            grid=True,
            gridColor="#e8e8e8",
            domainColor="#999999",
            tickColor="#999999",
        )
        .configure_legend(labelFontSize=12, title=None, orient="top", symbolSize=80)
        .configure_header(labelFontSize=13, labelFontWeight="bold", title=None, labelAnchor="start")
    )


def _rows(result):
    return [{"score": name, "value": result.main[key]} for name, key in ((EM, "exact"), (F1, "f1"))]


def _curve_rows(result):
    answered = [{"score": ANSWERED, "value": result.main["HasAns_f1"]}] if "HasAns_f1" in result.main else []
    return _rows(result) + answered


def fine_tuning_curve(berts, baseline):
    """EM and F1 over epochs: a point an evaluated checkpoint, a line through the mean of the seeds. In the span task
    also F1 of the answerable questions: a model that says "none" to all has a fair F1 over all.

    `baseline` (percent, or None) is the score of the trivial answer: both EM and F1 in the span task.
    """
    rows = [{"epoch": float(bert.epoch), "seed": bert.seed, **row} for bert in berts for row in _curve_rows(bert)]
    values = [row["value"] for row in rows] + ([] if baseline is None else [baseline])
    scale_of_colors = CURVE_COLORS if any(row["score"] == ANSWERED for row in rows) else COLORS
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X("epoch:Q", title="epochs of fine-tuning", axis=altair.Axis(tickCount=10, format="~g")),
        color=altair.Color("score:N", scale=scale_of_colors),
    )
    low, high = max(0, min(values) - 4), min(100, max(values) + 4)
    scale = altair.Scale(domain=[low, high], zero=False, nice=False)
    y = altair.Y("value:Q", title="percent", scale=scale)
    layers = [
        base.mark_line(strokeWidth=2).encode(y=altair.Y("mean(value):Q", title="percent", scale=scale)),
        base.mark_point(filled=True, size=45, opacity=1).encode(y=y),
    ]
    if baseline is not None:
        layers.insert(
            0,
            altair.Chart(altair.Data(values=[{"value": baseline}]))
            .mark_rule(strokeDash=[4, 4], color="#777777")
            .encode(y=y),
        )
    return _finished(altair.layer(*layers).properties(width=620, height=300))


def heads_against_bert(results):
    """A row a head and BERT, a panel a checkpoint: EM and F1, joined by a line."""
    epochs = sorted({result.epoch for result in results})
    order = sorted(
        {(result.name == "BERT", -(result.parameters or 0), result.name) for result in results}, reverse=True
    )
    names = list(dict.fromkeys(name.replace("_", " ") for _, _, name in order))
    rows = [
        {"panel": f"states of epoch {label_of(result.epoch)}", "name": result.name.replace("_", " "), **row}
        for result in results
        for row in _rows(result)
    ]
    y = altair.Y("name:N", sort=names, title=None, axis=altair.Axis(labelLimit=300, grid=True, minExtent=180))
    x = altair.X("value:Q", title="percent", scale=altair.Scale(zero=False, padding=12))
    base = altair.Chart().encode(y=y)
    spread = base.mark_rule(color="#bbbbbb", strokeWidth=2).encode(
        x=altair.X("min(value):Q", title="percent"), x2="max(value):Q"
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x, color=altair.Color("score:N", scale=COLORS)
    )
    chart = altair.layer(spread, points, data=altair.Data(values=rows)).properties(
        width=480, height={"step": 24}
    )
    panels = [f"states of epoch {label_of(epoch)}" for epoch in epochs]
    return _finished(
        chart.facet(
            row=altair.Row(
                "panel:N", sort=panels, title=None, header=altair.Header(labelOrient="top", labelPadding=4)
            )
        )
    )


def layer_weights(heads):
    """Weights of each learned pooling over the hidden states: a panel a head, a line a checkpoint."""
    rows = []
    for head in heads:
        for place, learned in enumerate(head.layer_weights):
            suffix = f", pooling {place + 1}" if len(head.layer_weights) > 1 else ""
            layers = (
                head.layers if len(head.layers) == len(learned["weights"]) else range(len(learned["weights"]))
            )
            rows += [
                {
                    "head": head.name.replace("_", " ") + suffix,
                    "epoch": label_of(head.epoch),
                    "state": layer,
                    "weight": weight,
                    "run": f"{head.seed} {head.variant}",
                }
                for layer, weight in zip(layers, learned["weights"])
            ]
    epochs = [label_of(epoch) for epoch in sorted({head.epoch for head in heads})]
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X(
            "state:O",
            title="hidden state (0 = embedding output)",
            axis=altair.Axis(labelAngle=0, labelOverlap=True),
        ),
        y=altair.Y("weight:Q", title="weight"),
        detail="run:N",
        color=altair.Color(
            "epoch:N",
            sort=epochs,
            title="epoch",
            scale=altair.Scale(scheme="viridis"),
            legend=altair.Legend(title="states of epoch", titleFontSize=12, titleFontWeight="normal"),
        ),
    )
    chart = altair.layer(base.mark_line(strokeWidth=1.5), base.mark_point(filled=True, size=40, opacity=1))
    return _finished(
        chart.properties(width=290, height=180).facet(facet=altair.Facet("head:N", title=None), columns=2)
    )
