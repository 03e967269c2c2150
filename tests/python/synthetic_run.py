"""A run's folder of made-up figures, and the report's page of it as tests read it."""

import html
import json
import re
from urllib.parse import unquote

import bv

BERT_PARAMETERS = 10_565_762


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_lines(path, lines, end=""):
    """A file of JSON lines, and `end` after them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + end, encoding="utf-8")


def official(exact):
    return {
        "exact": exact,
        "f1": exact + 1.5,
        "total": 240,
        "HasAns_exact": exact - 5,
        "HasAns_f1": exact - 3,
        "HasAns_total": 160,
        "NoAns_exact": exact + 10,
        "NoAns_f1": exact + 10,
        "NoAns_total": 80,
        "best_exact": exact + 2,
        "best_f1": exact + 3,
    }


def scores(task, exact):
    if task == "span":
        return {"official": official(exact), "reference": {"exact": exact - 1, "f1": exact + 0.25}}
    return {
        "classification": {
            "exact": exact,
            "f1": exact - 4,
            "reference_exact": exact - 2,
            "reference_f1": exact - 6,
            "majority_exact": 66.67,
            "total": 240,
        }
    }


def write_heads(folder, task, heads, label, epoch, exact):
    """Results of heads (name to number of parameters) at one checkpoint."""
    for index, (head, parameters) in enumerate(heads.items()):
        place = folder / "heads" / head / f"epoch-{label}" / "lr-0.001-seed-1"
        write_json(
            place / "metrics.json",
            {
                "head": head,
                "task": task,
                "parameters": parameters,
                "epoch": epoch,
                "dev_epoch": epoch,
                **scores(task, exact + 3 * index),
            },
        )
        states = 7 if task == "span" else 8  # the pooled output before the layers
        weights = [2 * (i + 1) / states / (states + 1) for i in range(states)]
        write_json(
            place / "head.json",
            {
                "head": head,
                "layers": list(range(7)),
                "layer_weights": [{"weights": weights, "gamma": 1.25}] if index == 0 else [],
            },
        )


def write_fine_tuning_metrics(path, task):
    """Evaluations in training, and what the run took."""
    path.parent.mkdir()
    path.write_text(
        '{"step":1,"loss":5.9}\n'
        + "".join(
            json.dumps({"evaluation": {"epoch": epoch, "rank_hours": hours, **scores(task, exact)}}) + "\n"
            for epoch, hours, exact in (("0", 0, 30.0), ("3/10", 0.05, 32.3), ("1", 0.15, 31.3))
        )
        + json.dumps(
            {
                "done": True,
                "seconds": 120.0,
                "sequences": 1920,
                "tokens": 240_000,
                "ranks": 2,
                "compute": "CPU, 1 thread, bfloat16",
                "phases": {"data": 1, "forward": 40, "backward": 60, "all_reduce": 9, "optimizer": 10},
            }
        )
        + "\n",
        encoding="utf-8",
    )


def write_run(run):
    """A synthetic run: both tasks, four checkpoints each, heads at two of them."""
    for task, heads in (
        ("span", {"learned_pooling": 779, "adapter_64_shared_skip": 26_242}),
        ("classification", {"tenney_small": 779, "adapter_pooler_mean": 149_962}),
    ):
        folder = run / task / "seed-1"
        for label, epoch, exact in (
            ("0", "0", 33.25),
            ("0.3", "3/10", 47.5),
            ("1", "1", 61.125),
            ("2", "2", 66.0),
        ):
            write_json(
                folder / "evaluations" / f"epoch-{label}" / "metrics.json",
                {"task": task, "epoch": epoch, "parameters": BERT_PARAMETERS, **scores(task, exact)},
            )
        for label, epoch, exact in (("0.3", "3/10", 42.0), ("1", "1", 55.0)):
            write_heads(folder, task, heads, label, epoch, exact)
        write_fine_tuning_metrics(folder / "metrics" / "finetune.jsonl", task)
        (folder / "finetune.toml").write_text(
            "[finetune]\nlearning_rate = 1e-4  # <tuned>\n", encoding="utf-8"
        )
    write_json(
        run / "span/seed-1/evaluations/never-none/metrics.json", {"task": "span", **scores("span", 21.5)}
    )
    return run


def page_of(run):
    """The page alone: drawings and tables as files take most of the report's time."""
    bv.run_tool("report/report.py", "--run", run, "--no-files")
    return (run / "report" / "index.html").read_text(encoding="utf-8")


def refusal_of(run):
    """How the report ends on a run with something wrong, and what it says."""
    return bv.run_tool("report/report.py", "--run", run, "--no-files", check=False)


def text_of(markup):
    """A piece of HTML as a reader sees it."""
    return " ".join(html.unescape(re.sub("<[^>]*>", "", markup)).split())


def files_of(page):
    """The files that each row's link "files" leads to, by the link's address."""
    entries = re.findall(r'<article id="(source-\d+)">(.*?)</article>', page, re.DOTALL)
    links = {f"#{place}": re.findall(r'<a href="\.\./([^"]*)"', entry.partition("<dl>")[0]) for place, entry in entries}
    return {place: [unquote(html.unescape(link)) for link in own] for place, own in links.items()}


def rows_of(page):
    """Tables' rows as lists of cells, tags taken out; the last cell is the row's files."""
    files, rows = files_of(page), []
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL):
        cells = re.findall(r"<t([dh])[^>]*>(.*?)</t\1>", row, re.DOTALL)
        link = re.search(r'href="(#source-\d+)"', cells[-1][1]) if cells else None
        texts = [text_of(cell) for _, cell in cells]
        rows.append([*texts[:-1], ", ".join(files[link[1]])] if link else texts)
    return rows
