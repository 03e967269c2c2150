"""The progress of the run, the cost of fine-tuning, and its metrics over its steps."""

from marks import colored, quantity, specification, without_shape
from page_parts import Column, Figure, Row, Table, words
from progress import series_of, under_way


def add_progress(report):
    run = report.run
    for items in run.attempt(under_way, run.folder):
        if items:
            report.cost.named("Under way").sentences += [f"{item['text']}." for item in items]
    for series in run.attempt(series_of, run.folder):
        rows = [
            {"run": name, "metric": metric, "at": step, "value": value}
            for name, metrics in series.items()
            for metric, points in metrics.items()
            for step, value in points
        ]
        if rows:
            caption = "The steps of fine-tuning: loss, speed, and the share of each phase in the time of a step."
            figure = Figure("progress", "Fine-tuning over its steps", caption, curves(rows))
            report.cost.named("Fine-tuning").figures.append(figure)
    add_times(report)


def curves(rows):
    """One panel for each metric, each with scales of its own."""
    largest = {}
    for row in rows:
        largest[row["metric"]] = max(largest.get(row["metric"], 0), row["value"])
    color = without_shape(colored("run", list(dict.fromkeys(row["run"] for row in rows))))
    panels = [
        {
            "title": metric.replace("_", " "),
            "transform": [{"filter": {"field": "metric", "equal": metric}}],
            "width": 170,
            "height": 110,
            "mark": {"type": "line", "strokeWidth": 1.2},
            "encoding": {
                "x": quantity("at", "step", zero=True, axis={"tickCount": 4, "format": "~s"}),
                "y": quantity("value", None, axis={"tickCount": 4, "format": "~s" if most >= 1000 else ".4~g"}),
                **color,
                "tooltip": [{"field": "run"}, {"field": "at", "title": "step"}, {"field": "value", "format": ".4~g"}],
            },
        }
        for metric, most in largest.items()
    ]
    return specification(rows, {"concat": panels, "columns": 4})


def add_times(report):
    tunings = report.run.tunings
    if not tunings:
        return
    phases = list(tunings[0].summary.get("phases", {}))
    rows = []
    for tuning in tunings:
        summary = tuning.summary
        seconds, spent = summary.get("seconds") or 0, summary.get("phases", {})
        whole = sum(spent.values()) or 1
        rows.append(
            Row(
                [
                    tuning.task,
                    tuning.seed,
                    summary.get("ranks"),
                    summary.get("compute", ""),
                    seconds,
                    summary.get("sequences", 0) / max(seconds, 1e-9),
                    summary.get("tokens", 0) / max(seconds, 1e-9),
                    *(100 * spent.get(phase, 0) / whole for phase in phases),
                ],
                "",
                [tuning],
            )
        )
    columns = [
        words("task"),
        words("seed"),
        Column("ranks"),
        words("each rank"),
        Column("seconds", 0),
        Column("sequences/s", 1),
        Column("tokens/s", 0),
        *(Column(f"{phase.replace('_', '-')} %", 0) for phase in phases),
    ]
    caption = "The time of fine-tuning, and the share of each phase in it on rank 0, in percent."
    report.cost.named("Fine-tuning").tables.append(Table("fine-tuning-cost", "Time of fine-tuning", caption, columns, rows))
