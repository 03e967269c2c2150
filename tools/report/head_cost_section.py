"""The cost of training heads: the speed, the time spent waiting for states, and the time of each head's own steps."""

from fractions import Fraction

import charts
from page_parts import Column, Figure, Row, Shown, Table, words
from progress import trainings_of_heads
from run_files import is_number, read_json_lines
from run_model import TASKS, label_of


def add_head_cost(report):
    def read(path):
        return [line for lines in report.run.attempt(read_json_lines, path) for line in lines]

    trainings = trainings_of_heads(report.run.folder, read)
    if trainings:
        add_trainings(report, trainings)
    for task in TASKS:
        add_own_steps(report, task, read)


def add_trainings(report, trainings):
    part, name = report.cost.named("Training of heads"), "head-training-cost"
    results = {path: result for result in report.run.results for path in result.files}
    rows, points = [], []
    for one in trainings:
        seconds = sum(line["seconds"] for line in one.passes)
        epoch = Shown(one.epoch, float(Fraction(one.epoch)))
        speed, waiting = one.sequences_per_second, 100 * one.waiting_share
        cells = [one.task, epoch, one.seed, len(one.logs), one.passes[0].get("ranks"), len(one.passes), seconds, speed, waiting]
        source = [results[path] for path in (log.with_name("metrics.json") for log in one.logs) if path in results]
        rows.append(Row(cells, "", source))
        told = {"states": f"epoch {one.epoch}, {one.task}", "run": f"{one.task}/seed-{one.seed}", "heads": len(one.logs)}
        points.append({**told, "speed": speed, "waiting": waiting})
    columns = [
        words("task"),
        Column("states of epoch", number=False),
        words("seed"),
        Column("heads"),
        Column("ranks"),
        Column("passes"),
        Column("seconds", 1),
        Column("sequences/s", 1),
        Column("waiting for states %", 2),
    ]
    caption = (
        "Heads that were trained together: in each pass all of them use the same reading of a checkpoint's states. The speed and the time "
        "are of all passes together; waiting is the share of this time in which a rank waited for states."
    )
    part.figures.append(Figure("head-training", "Speed of the training of heads", caption, charts.speed_of_heads(points), name))
    part.tables.append(Table(name, "Time of the training of heads", caption, columns, rows))


def add_own_steps(report, task, read):
    """On a GPU the time of a step is unknown, because nothing waits for its end: there is no figure then."""
    points = []
    for head in report.run.plain_heads(task):
        path = head.files[0].with_name("metrics.jsonl")
        for line in read(path) if path.is_file() else []:
            if all(is_number(line.get(key)) and line[key] > 0 for key in ("step_seconds", "sequences", "ranks")):
                told = {"model": head.label, "epoch": label_of(head.epoch), "seed": head.seed_text, "pass": line.get("epoch")}
                points.append({**told, "value": 1000 * line["step_seconds"] * line["ranks"] / line["sequences"]})
    if points:
        caption = (
            "Time of a rank for a head's own steps (forward, backward, update), without the reading of states that all heads share. "
            "There is one point for each pass and seed."
        )
        figure = Figure(f"{task}-head-steps", f"Time of the steps of each head, {task}", caption, charts.own_steps(points))
        report.cost.named("Training of heads").figures.append(figure)
