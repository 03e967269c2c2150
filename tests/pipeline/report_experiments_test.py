"""Each experiment of a run has a section of its own in the report."""

import json
import sys

import bv
import pytest
from synthetic_run import page_of, refusal_of, rows_of, scores, write_json, write_run

sys.path.insert(0, str(bv.SOURCE / "tools" / "report"))
from run_folder import read_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "study")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The page of a run with all experiments."""
    run = write_run(tmp_path_factory.mktemp("shown") / "study")
    add_experiments(run)
    return page_of(run)


EXPERIMENTS = ["span-mixed", "span-shares", "span-ensembles", "span-second-best", "span-layer-subsets", "span-atlas"]


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


def test_an_experiment_without_results_has_no_section(run):
    page = page_of(run)
    assert [name for name in EXPERIMENTS if f'data-table="{name}"' in page] == []


def test_each_experiment_has_a_section_of_its_own(shown):
    assert [shown.count(f'data-table="{name}"') for name in EXPERIMENTS] == [1] * len(EXPERIMENTS)
    assert [shown.count(f'data-figure="{name}"') for name in EXPERIMENTS] == [1] * len(EXPERIMENTS)
    rows = rows_of(shown)
    folder = "span/seed-1/heads/learned_pooling/epoch-1"
    (less,) = [row for row in rows if row and row[-1].startswith(f"{folder}/lr-0.001-seed-1-share-0.1/metrics.json")]
    assert less[:6] == ["1", "learned pooling", "1", "10", "31.00", "32.50"]
    assert ["1", "learned pooling", "1", "100", "55.00"] in [row[:5] for row in rows]  # the head on all questions
    (ablated,) = [row for row in rows if row and row[-1].startswith(f"{folder}/lr-0.001-seed-1-layers-0,4,5,6/metrics.json")]
    assert ablated[:7] == ["1", "learned pooling", "1", "0, 4 to 6", "770", "52.00", "53.50"]
    probes = [row for row in rows if row[1:2] == ["span probe"]]
    assert [(row[0], row[3], row[5]) for row in probes] == [
        (epoch, str(layer), f"{exact + 2.5 * layer:.2f}") for epoch, exact in (("0", 10), ("1", 30)) for layer in range(7)]


def test_mixed_heads_stand_beside_those_of_both_checkpoints(shown):
    (row,) = [row for row in rows_of(shown) if "evaluations/mixed/" in "".join(row[-1:])]
    assert row[:6] == ["learned pooling", "1", "0.3", "1", "44.00", "45.50"]
    assert row[6:8] == ["43.50", "56.50"]  # heads of epoch 0.3 on 0.3, and of 1 on 1
    assert row[8:10] == ["+2.0", "−11.0"]  # less these; without records there is no interval


def test_an_ensemble_stands_against_the_best_of_its_members(shown):
    rows = [row for row in rows_of(shown) if row[1:2] == ["BERT + learned pooling"]]
    assert [row[:6] for row in rows] == [
        ["1", "BERT + learned pooling", "1", "max", "64.00", "65.50"],
        ["1", "BERT + learned pooling", "1", "mean", "60.00", "61.50"],
    ]
    assert [row[6:10] for row in rows] == [["BERT", "62.62", "+2.9", "+2.9"], ["BERT", "62.62", "−1.1", "−1.1"]]


def test_second_best_answers_count_where_the_best_are_wrong(shown):
    (row,) = [row for row in rows_of(shown) if row[4:5] == ["96"]]
    assert row[:-1] == ["1", "BERT", "1", "60.12", "96", "25.00", "30.00", f"{60.125 + 25 * 96 / 240:.2f}"]


def test_heads_of_experiments_are_not_among_those_against_bert(run, shown):
    before, after = rows_of(page_of(run)), rows_of(shown)
    for head in ("adapter_64_shared_skip", "learned_pooling"):
        name = head.replace("_", " ")
        own = [row for row in before if row[1:2] == [name] and "metrics.json" in row[-1]]
        assert [row for row in own if row not in after] == []
    assert "lr-0.001-seed-1-share-0.1)" not in shown


def test_members_of_another_kind_are_errors_that_name_the_file(run):
    add_experiments(run)
    head = run / "span/seed-1/heads/learned_pooling/epoch-1/lr-0.001-seed-1/head.json"
    ensemble = run / "span/seed-1/evaluations/ensembles/learned_pooling+BERT/epoch-1/lr-0.001-seed-1-max/metrics.json"
    for path, member, value in ((head, "share", "half"), (head, "layers", 3), (head, "layer_weights", [1]), (ensemble, "logits", ["a"])):
        before = json.loads(path.read_text())
        write_json(path, before | {member: value})
        assert read_run(run).wrong[0].startswith(f"{path}: '{member}' should "), member
        write_json(path, before)


def test_an_ensemble_of_unknown_logits_is_an_error_that_names_it(run):
    add_experiments(run)
    path = run / "span/seed-1/evaluations/ensembles/learned_pooling+BERT/epoch-1/lr-0.001-seed-1-max/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["logits"][0]["path"] = "span/seed-1/evaluations/epoch-7/logits.safetensors"
    write_json(path, metrics)
    result = refusal_of(run)
    assert result.rc == 2
    assert str(path) in result.stderr and "epoch-7" in result.stderr


ENSEMBLE = "span/seed-1/evaluations/ensembles/learned_pooling+BERT/epoch-1/lr-0.001-seed-1"


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_text('{"official": {')], ids=["absent", "cut short"])
@pytest.mark.parametrize("member", ["evaluations/epoch-1", "heads/learned_pooling/epoch-1/lr-0.001-seed-1"])
def test_an_ensemble_of_a_model_without_scores_is_left_out_and_named(run, member, harm):
    add_experiments(run)
    path = run / "span/seed-1" / member / "metrics.json"
    harm(path)
    found = read_run(run)
    assert [line.partition(":")[0] for line in found.wrong] == [str(path)] * path.exists()
    assert found.ensembles == []
    assert [line for line in found.missing if "ensembles" in line] == [
        f"Left out: {ENSEMBLE}-{how}: its model span/seed-1/{member} has no scores." for how in ("max", "mean")
    ]


def test_an_ensemble_of_a_result_that_is_no_model_is_an_error(run):
    add_experiments(run)
    path = run / f"{ENSEMBLE}-max" / "metrics.json"
    path.write_text(path.read_text().replace("evaluations/epoch-1/", "evaluations/never-none/"))
    (line,) = read_run(run).wrong
    assert line.startswith(f"{path}: 'logits' names ") and "evaluations/never-none/" in line
