"""The report's figures as Altair charts."""

import altair
from run_folder import POOLED_OUTPUT, label_of

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
            rows += [
                {
                    "head": head.name.replace("_", " ") + suffix,
                    "epoch": label_of(head.epoch),
                    "state": state,
                    "weight": weight,
                    "run": f"{head.seed} {head.variant}",
                }
                for state, weight in zip(head.weighed_states(learned), learned["weights"])
            ]
    epochs = [label_of(epoch) for epoch in sorted({head.epoch for head in heads})]
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X(
            "state:O",
            sort=sorted({row["state"] for row in rows}, key=lambda state: (state != POOLED_OUTPUT, len(state), state)),
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


def _panels_of_epochs(results):
    epochs = [f"states of epoch {label_of(epoch)}" for epoch in sorted({result.epoch for result in results})]
    return altair.Row(
        "panel:N", sort=epochs, title=None, header=altair.Header(labelOrient="top", labelPadding=4)
    )


def _described(result, **more):
    """What charts of heads tell of a result."""
    return {
        "panel": f"states of epoch {label_of(result.epoch)}",
        "head": result.name.replace("_", " "),
        "run": f"{result.seed} {result.variant}",
        **more,
    }


def share_curves(heads):
    """EM and F1 over the share of the training questions: a row of panels a checkpoint, a line a head (the mean of seeds)."""
    rows = [_described(head, share=100 * head.share, **row) for head in heads for row in _rows(head)]
    base = altair.Chart().encode(
        x=altair.X("share:Q", title="percent of the training questions", scale=altair.Scale(domain=[0, 100])),
        color=altair.Color("head:N", title=None),
    )
    scale = altair.Scale(zero=False)
    line = base.mark_line(strokeWidth=2).encode(y=altair.Y("mean(value):Q", title="percent", scale=scale))
    points = base.mark_point(filled=True, size=40, opacity=1).encode(
        y=altair.Y("value:Q", title="percent", scale=scale)
    )
    chart = altair.layer(line, points, data=altair.Data(values=rows)).properties(width=290, height=180)
    column = altair.Column("score:N", sort=[EM, F1], title=None)
    return _finished(chart.facet(row=_panels_of_epochs(heads), column=column))


def layer_subsets(heads):
    """F1 by the layers a head reads: a panel a checkpoint, a row a subset (the fewest layers first), a color a head."""
    subsets = sorted({tuple(head.layers) for head in heads}, key=lambda layers: (len(layers), layers))
    rows = [_described(head, layers=layers_text(head.layers), value=head.main["f1"]) for head in heads]
    chart = (
        altair.Chart(altair.Data(values=rows))
        .mark_point(filled=True, size=80, opacity=0.85)
        .encode(
            x=altair.X("value:Q", title="F1, percent", scale=altair.Scale(zero=False, padding=12)),
            y=altair.Y(
                "layers:N",
                sort=[layers_text(layers) for layers in subsets],
                title="hidden states read",
                axis=altair.Axis(grid=True, labelLimit=300),
            ),
            color=altair.Color("head:N", title=None),
        )
        .properties(width=480, height={"step": 24})
    )
    return _finished(chart.facet(row=_panels_of_epochs(heads)))


def layer_atlas(probes):
    """Heat maps of hidden state and epoch, one a score, each in colors of its own; the value stands in each field."""
    epochs = [label_of(epoch) for epoch in sorted({probe.epoch for probe in probes})]
    rows = [
        {"epoch": label_of(probe.epoch), "layer": probe.layers[0], **row}
        for probe in probes
        for row in _curve_rows(probe)
    ]
    maps = []
    for score in dict.fromkeys(row["score"] for row in rows):
        own = [row for row in rows if row["score"] == score]
        middle = (min(row["value"] for row in own) + max(row["value"] for row in own)) / 2
        base = altair.Chart(altair.Data(values=own), title=score).encode(
            x=altair.X(
                "epoch:O", sort=epochs, title="epochs of fine-tuning", axis=altair.Axis(labelAngle=0, grid=False)
            ),
            y=altair.Y("layer:O", sort="descending", title="hidden state", axis=altair.Axis(grid=False)),
        )
        fields = base.mark_rect().encode(
            color=altair.Color(
                "mean(value):Q", scale=altair.Scale(scheme="blues", zero=False), legend=None
            )
        )
        values = base.mark_text(fontSize=11).encode(
            text=altair.Text("mean(value):Q", format=".1f"),
            color=altair.condition(
                f"datum.mean_value > {middle}", altair.value("white"), altair.value("#1c1c1c")
            ),
        )
        maps.append((fields + values).properties(width={"step": 56}, height={"step": 22}))
    return _finished(altair.hconcat(*maps).resolve_scale(color="independent"))
