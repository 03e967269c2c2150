"""The report shows a run's own numbers, says what is missing, and names a malformed file."""

import json
import re

import bv
import pytest

BERT_PARAMETERS = 10_565_762


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


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
                weights = [(i + 1) / 28 for i in range(7)]
                write_json(
                    place / "head.json",
                    {
                        "head": head,
                        "layers": list(range(7)),
                        "layer_weights": [{"weights": weights, "gamma": 1.25}] if index == 0 else [],
                    },
                )
        metrics = folder / "metrics" / "finetune.jsonl"
        metrics.parent.mkdir()
        metrics.write_text(
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
        (folder / "finetune.toml").write_text(
            "[finetune]\nlearning_rate = 1e-4  # <tuned>\n", encoding="utf-8"
        )
    write_json(
        run / "span/seed-1/evaluations/never-none/metrics.json", {"task": "span", **scores("span", 21.5)}
    )
    return run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "study")


def page_of(run):
    bv.run_tool("report/report.py", "--run", run)
    return (run / "report" / "index.html").read_text(encoding="utf-8")


def rows_of(page):
    """Tables' rows as lists of cells, tags taken out."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in rows
    ]


def test_every_checkpoint_and_head_stands_in_a_table_with_its_numbers_and_files(run):
    page = page_of(run)
    rows = rows_of(page)
    assert [
        "0.3",
        "1",
        "47.50",
        "49.00",
        "44.50",
        "57.50",
        "49.50",
        "50.50",
        "46.50",
        "47.75",
        "span/seed-1/evaluations/epoch-0.3/metrics.json",
    ] in rows
    head = next(row for row in rows if row[:2] == ["1", "adapter 64 shared skip"])
    assert head[3:7] == ["26,242", f"{100 * 26_242 / BERT_PARAMETERS:.4f}", "58.00", "59.50"]
    assert (
        head[-1] == "span/seed-1/heads/adapter_64_shared_skip/epoch-1/lr-0.001-seed-1/metrics.json, head.json"
    )
    assert [
        "1",
        "tenney small",
        "1",
        "779",
        f"{100 * 779 / BERT_PARAMETERS:.4f}",
        "55.00",
        "51.00",
        "53.00",
        "49.00",
    ] in [row[:-1] for row in rows]


def test_what_each_fraction_of_an_epoch_bought_stands_in_a_table(run):
    page = page_of(run)
    assert page.count("What each fraction of an epoch bought") == 2
    file = "span/seed-1/metrics/finetune.jsonl"
    rows = [row for row in rows_of(page) if row and row[-1] == file and row[0] in ("0", "0.3", "1")]
    assert rows == [
        ["0", "1", "0", "30.00", "31.50", "33.00", "", "", file],
        ["0.3", "1", "0.05", "32.30", "33.80", "35.30", "+2.30", "+46.0", file],
        ["1", "1", "0.15", "31.30", "32.80", "34.30", "-1.00", "-10.0", file],
    ]


def test_evaluations_in_training_make_the_curve_where_there_is_no_other(run):
    for path in (run / "span/seed-1/evaluations").glob("*/metrics.json"):
        path.unlink()
    page = page_of(run)
    assert "the questions of its evaluations in training at each checkpoint" in page
    file = "span/seed-1/metrics/finetune.jsonl"
    assert ["0.3", "1", "32.30", "33.80", "29.30", "42.30", "34.30", "35.30", "31.30", "32.55", file] in rows_of(page)


def test_trivial_answers_stand_beside_bert(run):
    rows = rows_of(page_of(run))
    assert next(row for row in rows if row[:1] == ["always none"])[2:6] == [
        "33.33",
        "33.33",
        "0.00",
        "100.00",
    ]
    assert next(row for row in rows if row[:1] == ["never none"])[2] == "21.50"
    assert next(row for row in rows if row[:1] == ["always the same"])[2] == "66.67"


def test_every_link_leads_to_a_file_of_the_run(run):
    page = page_of(run)
    links = [link for link in re.findall(r'href="([^"]*)"', page) if not link.startswith("#")]
    assert len(links) > 20
    assert [link for link in links if not (run / "report" / link).is_file()] == []


def test_the_page_needs_no_network_and_its_figures_stand_beside_it(run):
    page = page_of(run)
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="https?://', page) == []
    assert page.count("<svg") == 6
    for figure in ("span-fine-tuning", "span-heads", "span-layer-weights", "classification-fine-tuning"):
        assert (run / "report" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (run / "report" / f"{figure}.svg").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_an_empty_run_gives_a_page_that_says_what_is_missing(tmp_path):
    page = page_of(tmp_path)
    assert "No results for the span task" in page
    assert "No results for the classification task" in page


def test_missing_heads_and_unfinished_tuning_are_named(run):
    for path in (run / "span/seed-1/heads").glob("*/*/*/metrics.json"):
        path.unlink()
    (run / "span/seed-1/metrics/finetune.jsonl").write_text('{"step":1}\n{"st', encoding="utf-8")
    page = page_of(run)
    assert "No trained head: span/seed-1/heads/" in page
    assert (
        "Fine-tuning has not finished: span/seed-1/metrics/finetune.jsonl does not end with its summary"
        in page
    )


@pytest.mark.parametrize(
    "content, complaint",
    [
        ('{"official": {', "no JSON: line 1, column 15"),
        ("[]", "should hold an object, holds a list"),
        (
            '{"task": "span", "epoch": 0.3, "official": null}',
            "'epoch' should be a fraction of an epoch such as \"3/10\", is 0.3",
        ),
        (
            '{"epoch": "1", "official": {"exact": "high", "f1": 1}}',
            "'official.exact' should be a number, is 'high'",
        ),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(run, content, complaint):
    path = run / "span/seed-1/evaluations/epoch-1/metrics.json"
    path.write_text(content, encoding="utf-8")
    result = bv.run_tool("report/report.py", "--run", run, check=False)
    assert result.rc == 2
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr
    assert complaint in result.stderr
    assert not (run / "report").exists()


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    result = bv.run_tool("report/report.py", "--run", tmp_path / "none", check=False)
    assert (result.rc, result.stderr) == (2, f"error: report: {tmp_path / 'none'}: no such folder\n")


def test_a_malformed_evaluation_in_training_is_an_error_that_names_its_file(run):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    path.write_text('{"evaluation":{"epoch":"1","rank_hours":"few"}}\n', encoding="utf-8")
    result = bv.run_tool("report/report.py", "--run", run, check=False)
    assert result.rc == 2
    assert str(path) in result.stderr and "'rank_hours'" in result.stderr


EXPERIMENTS = [
    "Heads on states of another checkpoint",
    "Less data",
    "Ensembles",
    "Second-best answers",
    "Layer ablation",
    "Layer atlas",
]


def add_head(folder, head, variant, exact, *, task="span", epoch="1", **about):
    """A trained head's folder, as bv_train leaves it."""
    place = folder / "heads" / head / f"epoch-{epoch}" / f"lr-0.001-seed-1{variant}"
    metrics = {"head": head, "task": task, "parameters": 770, "epoch": epoch, "dev_epoch": epoch, **scores(task, exact)}
    write_json(place / "metrics.json", metrics)
    write_json(place / "head.json", {"head": head, "layers": list(range(7)), "layer_weights": [], **about})
    return place


def add_experiments(run):
    folder = run / "span/seed-1"
    for share, exact in ((0.1, 31.0), (0.5, 47.0)):
        add_head(folder, "learned_pooling", f"-share-{share}", exact, share=share)
    add_head(folder, "learned_pooling", "-layers-0,4,5,6", 52.0, layers=[0, 4, 5, 6])
    for epoch, exact in (("0", 10.0), ("1", 30.0)):
        for layer in range(7):
            add_head(folder, "span_probe", f"-layer-{layer:02}", exact + 2.5 * layer, epoch=epoch, layers=[layer], each_layer=True)
    mixed = folder / "evaluations/mixed/learned_pooling/epoch-0.3-on-1/lr-0.001-seed-1/metrics.json"
    write_json(mixed, {"head": "learned_pooling", "epoch": "3/10", "dev_epoch": "1", **scores("span", 44.0)})
    logits = [{"path": f"elsewhere/{run.name}/span/seed-1/{place}/logits.safetensors"}
              for place in ("evaluations/epoch-1", "heads/learned_pooling/epoch-1/lr-0.001-seed-1")]
    for how, exact in (("max", 64.0), ("mean", 60.0)):
        write_json(folder / f"evaluations/ensembles/learned_pooling+BERT/epoch-1/lr-0.001-seed-1-{how}/metrics.json",
                   {"logits": logits, "combine": how, **scores("span", exact)})
    bert = folder / "evaluations/epoch-1/metrics.json"
    metrics = json.loads(bert.read_text())
    metrics["reference"].update(total=240, second_best_exact=25.0, second_best_f1=30.0, second_best_total=96)
    write_json(bert, metrics)


def test_each_experiment_has_a_section_of_its_own_and_none_without_results(run):
    page = page_of(run)
    assert [title for title in EXPERIMENTS if f"<h3>{title}</h3>" in page] == []
    add_experiments(run)
    page = page_of(run)
    assert [page.count(f"<h3>{title}</h3>") for title in EXPERIMENTS] == [1] * len(EXPERIMENTS)
    assert page.count("<svg") == 6 + 3
    rows = rows_of(page)
    folder = "span/seed-1/heads/learned_pooling/epoch-1"
    (less,) = [row for row in rows if row[-1:] == [f"{folder}/lr-0.001-seed-1-share-0.1/metrics.json, head.json"]]
    assert less[:6] == ["1", "learned pooling", "1", "10", "31.00", "32.50"]
    assert ["1", "learned pooling", "1", "100", "55.00"] in [row[:5] for row in rows]  # the head on all questions
    (ablated,) = [row for row in rows if row[-1:] == [f"{folder}/lr-0.001-seed-1-layers-0,4,5,6/metrics.json, head.json"]]
    assert ablated[:7] == ["1", "learned pooling", "1", "0, 4 to 6", "770", "52.00", "53.50"]
    probes = [row for row in rows if row[1:2] == ["span probe"]]
    assert [(row[0], row[3], row[5]) for row in probes] == [
        (epoch, str(layer), f"{exact + 2.5 * layer:.2f}") for epoch, exact in (("0", 10), ("1", 30)) for layer in range(7)]


def test_mixed_heads_stand_beside_those_of_both_checkpoints(run):
    add_experiments(run)
    (row,) = [row for row in rows_of(page_of(run)) if "evaluations/mixed/" in "".join(row[-1:])]
    assert row[:6] == ["learned pooling", "1", "0.3", "1", "44.00", "45.50"]
    assert row[-3:-1] == ["43.50", "56.50"]  # heads of epoch 0.3 on 0.3, and of 1 on 1


def test_an_ensemble_stands_against_the_best_of_its_members(run):
    add_experiments(run)
    rows = [row for row in rows_of(page_of(run)) if "evaluations/ensembles/" in "".join(row[-1:])]
    assert [row[:6] for row in rows] == [
        ["1", "BERT + learned pooling", "1", "max", "64.00", "65.50"],
        ["1", "BERT + learned pooling", "1", "mean", "60.00", "61.50"],
    ]
    assert [row[-3:-1] for row in rows] == [["62.62 (BERT)", "+2.88"], ["62.62 (BERT)", "-1.12"]]


def test_second_best_answers_count_where_the_best_are_wrong(run):
    add_experiments(run)
    (row,) = [row for row in rows_of(page_of(run)) if row[4:5] == ["96"]]
    assert row[:-1] == ["1", "BERT", "1", "60.12", "96", "25.00", "30.00", f"{60.125 + 25 * 96 / 240:.2f}"]


def test_heads_of_experiments_are_not_among_those_against_bert(run):
    before = rows_of(page_of(run))
    add_experiments(run)
    for head in ("adapter_64_shared_skip", "learned_pooling"):
        name = head.replace("_", " ")
        own = [row for row in before if row[1:2] == [name] and "metrics.json" in row[-1]]
        assert [row for row in own if row not in rows_of(page_of(run))] == []
    assert "lr-0.001-seed-1-share-0.1)" not in page_of(run)


def test_an_ensemble_of_unknown_logits_is_an_error_that_names_it(run):
    add_experiments(run)
    path = run / "span/seed-1/evaluations/ensembles/learned_pooling+BERT/epoch-1/lr-0.001-seed-1-max/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["logits"][0]["path"] = "span/seed-1/evaluations/epoch-7/logits.safetensors"
    write_json(path, metrics)
    result = bv.run_tool("report/report.py", "--run", run, check=False)
    assert result.rc == 2
    assert str(path) in result.stderr and "epoch-7" in result.stderr
