"""The report shows a run's own numbers, says what is missing, and names a malformed file."""

import html
import json
import re
import shutil
import sys

import bv
import pytest
from synthetic_run import BERT_PARAMETERS, page_of, refusal_of, rows_of, write_json, write_run

sys.path.insert(0, str(bv.SOURCE / "tools" / "report"))
from run_folder import read_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "study")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The page of the run as it is."""
    return page_of(write_run(tmp_path_factory.mktemp("shown") / "study"))


def test_every_checkpoint_and_head_stands_in_a_table_with_its_numbers_and_files(shown):
    rows = rows_of(shown)
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
    place = "span/seed-1/heads/adapter_64_shared_skip/epoch-1/lr-0.001-seed-1"
    assert head[-1] == f"{place}/metrics.json, {place}/head.json"
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


def test_what_each_fraction_of_an_epoch_bought_stands_in_a_table(shown):
    assert shown.count('data-table="span-gains"') == shown.count('data-table="classification-gains"') == 1
    file = "span/seed-1/metrics/finetune.jsonl"
    rows = [row for row in rows_of(shown) if row and row[-1] == file and row[0] in ("0", "0.3", "1")]
    assert rows == [
        ["0", "1", "0", "30.00", "31.50", "33.00", "–", "–", file],
        ["0.3", "1", "0.050", "32.30", "33.80", "35.30", "+2.30", "+46.0", file],
        ["1", "1", "0.150", "31.30", "32.80", "34.30", "−1.00", "−10.0", file],
    ]


def test_evaluations_in_training_make_the_curve_where_there_is_no_other(run):
    for path in (run / "span/seed-1/evaluations").glob("*/metrics.json"):
        path.unlink()
    page = page_of(run)
    assert "the questions of its evaluations in training at each checkpoint" in page
    file = "span/seed-1/metrics/finetune.jsonl"
    assert ["0.3", "1", "32.30", "33.80", "29.30", "42.30", "34.30", "35.30", "31.30", "32.55", file] in rows_of(page)


def test_trivial_answers_stand_beside_bert(shown):
    rows = rows_of(shown)
    assert next(row for row in rows if row[:1] == ["always none"])[2:6] == [
        "33.33",
        "33.33",
        "0.00",
        "100.00",
    ]
    assert next(row for row in rows if row[:1] == ["never none"])[2] == "21.50"
    assert next(row for row in rows if row[:1] == ["always the same"])[2] == "66.67"


def test_the_page_needs_no_network(shown):
    body = shown[shown.index("<body>") : shown.index("<script")]
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", body) == []
    assert "default-src 'none'" in shown
    assert {"span-fine-tuning", "span-heads", "span-layer-weights", "classification-fine-tuning"} <= set(
        re.findall(r'data-figure="([^"]*)"', body))
    ids = re.findall(r'\bid="([^"]*)"', body)
    assert len(ids) == len(set(ids))


def test_a_page_without_files_links_to_none(run):
    page = page_of(run)
    assert not (run / "report/files").exists() and "files/" not in page[page.index("<body>") : page.index("<script")]


def test_seeds_have_a_row_of_their_mean_and_rows_of_their_own(run):
    shutil.copytree(run / "span/seed-1", run / "span/seed-2")
    path = run / "span/seed-2/evaluations/epoch-1/metrics.json"
    metrics = bv.read_json(path)
    metrics["official"]["f1"] += 2
    write_json(path, metrics)
    rows = [row for row in rows_of(page_of(run)) if row[:2] == ["1", "BERT"] and len(row) == 14]
    assert [(row[2], row[6]) for row in rows] == [("2 seeds", "63.62 ± 1.41"), ("1", "62.62"), ("2", "64.62")]


def test_learned_weights_name_their_states_the_pooled_output_aside(shown):
    largest = [row[5] for row in rows_of(shown) if len(row) > 5 and row[3] == "1.250"]
    assert len(largest) == 4 and set(largest) == {"6"}


@pytest.mark.parametrize("present", [[], ["dev.json", "train.json"]])
def test_a_folder_without_results_is_an_error_and_nothing_is_written(tmp_path, present):
    for name in present:
        write_json(tmp_path / name, {"version": "v2.0", "data": []})
    told = refusal_of(tmp_path)
    assert (told.rc, told.stdout) == (2, "")
    assert told.stderr == f"error: report: {tmp_path} holds no results of a study; expected span/seed-<s>/ or classification/seed-<s>/ in it\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == present
    (tmp_path / "study.toml").write_text("[study]\n")  # a launcher began it
    bv.run_tool("report/report.py", "--run", tmp_path, "--output", tmp_path / "page")
    assert (tmp_path / "page" / "index.html").exists()


def test_missing_heads_and_unfinished_tuning_are_named(run):
    for path in (run / "span/seed-1/heads").glob("*/*/*/metrics.json"):
        path.unlink()
    (run / "span/seed-1/metrics/finetune.jsonl").write_text('{"step":1}\n{"st', encoding="utf-8")
    page = html.unescape(page_of(run))
    assert "No trained head: span/seed-1/heads/" in page
    assert (
        "Fine-tuning has not finished: span/seed-1/metrics/finetune.jsonl does not end with its summary"
        in page
    )


@pytest.mark.parametrize("content, words", [("{\n", "does not end with its summary"), ("", "does not end with its summary"), (None, "is absent")])
def test_what_is_said_of_unfinished_tuning_depends_on_its_file(run, content, words):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert f"Fine-tuning has not finished: {path.relative_to(run)} {words}." in read_run(run).missing


def test_a_head_that_diverged_is_named_and_scored_by_its_best_epoch_before(run):
    without, best = (run / f"span/seed-1/heads/{head}/epoch-1/lr-0.001-seed-1" for head in ("learned_pooling", "adapter_64_shared_skip"))
    metrics = bv.read_json(best / "metrics.json") | {"diverged": {"epoch": 3, "step": 250}}
    write_json(best / "metrics.json", metrics)
    for scores in ("official", "reference"):
        metrics.pop(scores)
    write_json(without / "metrics.json", metrics)
    (without / "head.json").unlink()
    page = page_of(run)
    place = without.relative_to(run)
    assert f"{place} diverged in epoch 3, by step 250: the head has no scores." in page
    assert "adapter 64 shared skip (diverged in epoch 3, by step 250; its best epoch before)" in page
    assert not any(row[:2] == ["1", "learned pooling"] for row in rows_of(page))
    write_json(best / "metrics.json", metrics | {"diverged": True})
    refused = refusal_of(run)
    assert "'diverged' should be an object" in refused.stderr and str(best / "metrics.json") in refused.stderr


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
        (
            '{"epoch": "1", "reference": {"exact": 1, "f1": 1, "second_best_total": 5, "second_best_exact": 1, "second_best_f1": 1}}',
            "'reference.total' should be a number, is None",
        ),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(run, content, complaint):
    path = run / "span/seed-1/evaluations/epoch-1/metrics.json"
    path.write_text(content, encoding="utf-8")
    result = refusal_of(run)
    assert result.rc == 2
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr
    assert complaint in result.stderr
    page = (run / "report" / "index.html").read_text(encoding="utf-8")  # of the rest of the run
    assert "Wrong in this run" in page and complaint in html.unescape(page)
    rows = rows_of(page)
    assert any(row[:2] == ["0.3", "1"] for row in rows) and not any(row[-1].startswith(f"{path.relative_to(run)}") for row in rows if row)


BERT = "span/seed-1/evaluations/epoch-1"
HEAD = "span/seed-1/heads/learned_pooling/epoch-1/lr-0.001-seed-1"


@pytest.mark.parametrize(
    "place, key, number",
    [
        (f"{BERT}/metrics.json", "HasAns_f1", "NaN"),
        (f"{BERT}/metrics.json", "best_f1", "NaN"),
        (f"{BERT}/metrics.json", "second_best_f1", "NaN"),
        (f"{HEAD}/metrics.json", "HasAns_f1", "NaN"),
        (f"{HEAD}/metrics.json", "f1", "-Infinity"),
        (f"{HEAD}/head.json", "gamma", "NaN"),
        (f"{HEAD}/head.json", "gamma", "1e999"),
    ],
)
def test_a_number_that_is_not_finite_is_an_error_that_names_its_file(run, place, key, number):
    evaluation = run / BERT / "metrics.json"
    metrics = bv.read_json(evaluation)
    metrics["reference"].update(total=240, second_best_exact=25.0, second_best_f1=30.0, second_best_total=96)
    write_json(evaluation, metrics)
    path = run / place
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(rf'"{key}": [^,}}]*', f'"{key}": {number}', text, count=1), encoding="utf-8")
    told = refusal_of(run)
    assert (told.rc, told.stderr) == (2, f"error: report: {path}: {number} is no finite number\n")
    rows = rows_of((run / "report/index.html").read_text(encoding="utf-8"))
    assert any(row[:2] == ["0.3", "1"] for row in rows) and not any("nan" in cell or "inf" in cell for row in rows for cell in row[:-1])


@pytest.mark.parametrize("line, key", [(0, "loss"), (-1, "seconds")])
def test_a_line_with_a_number_that_is_not_finite_is_an_error_that_names_it(run, line, key):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    place = lines.index(lines[line]) + 1
    lines[place - 1] = re.sub(rf'"{key}": ?[^,}}]*', f'"{key}": NaN', lines[place - 1])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = refusal_of(run)
    assert (told.rc, told.stderr) == (2, f"error: report: {path}: line {place}: NaN is no finite number\n")
    assert 'data-table="span-heads"' in (run / "report/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("place, within", [(BERT, ""), (HEAD, "held_out.")])
def test_a_score_that_is_no_number_is_an_error_that_names_it(run, place, within):
    path = run / place / "metrics.json"
    metrics = bv.read_json(path)
    other = {"official": metrics["official"] | {"HasAns_f1": "high"}}
    write_json(path, metrics | ({"held_out": other} if within else other))
    told = refusal_of(run)
    assert (told.rc, told.stderr) == (2, f"error: report: {path}: '{within}official.HasAns_f1' should be a number, is 'high'\n")


@pytest.mark.parametrize("key, value", [("seconds", "long"), ("tokens", None), ("forward", "long"), ("phases", [])])
def test_a_summary_of_fine_tuning_with_no_number_is_an_error_that_names_it(run, key, value):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    *lines, last = bv.read_json_lines(path)
    (last["phases"] if key in last["phases"] else last)[key] = value
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, last]), encoding="utf-8")
    kind = "an object" if key == "phases" else "a number"
    told = refusal_of(run)
    assert (told.rc, told.stderr) == (2, f"error: report: {path}: '{key}' should be {kind}, is {value!r}\n")


def test_a_null_of_the_programs_stands_for_no_number_and_is_no_error(run):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"loss":5.9', '"loss":null'), encoding="utf-8")
    metrics = run / HEAD / "metrics.json"
    metrics.write_text(re.sub('"best_f1": [^,}]*', '"best_f1": null', metrics.read_text(encoding="utf-8")), encoding="utf-8")
    assert refusal_of(run).rc == 0


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    result = bv.run_tool("report/report.py", "--run", tmp_path / "none", check=False)
    assert (result.rc, result.stderr) == (2, f"error: report: {tmp_path / 'none'}: no such folder\n")


def test_a_malformed_evaluation_in_training_is_an_error_that_names_its_file(run):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    path.write_text('{"evaluation":{"epoch":"1","rank_hours":"few"}}\n', encoding="utf-8")
    result = refusal_of(run)
    assert result.rc == 2
    assert str(path) in result.stderr and "'rank_hours'" in result.stderr


def test_a_python_without_the_packages_names_the_one_that_has_them(run):
    report = bv.SOURCE / "tools" / "report" / "report.py"
    told = bv.run_command([sys.executable, "-S", report, "--run", run], check=False)  # -S: without installed packages
    assert told.rc == 2 and told.stdout == ""
    (line,) = told.stderr.splitlines()
    assert line.startswith("error: report: ") and "'vl_convert'" in line and str(bv.SOURCE / "tools" / "install.sh") in line
