"""A run's metrics as series, what is under way, and the page that is made again as the run goes on."""

import shutil
import signal
import sys
import time

import bv
import pytest
from synthetic_run import write_json, write_lines, write_run

sys.path.insert(0, str(bv.SOURCE / "tools" / "report"))
from head_cost_section import add_head_cost
from progress import duration, is_done, series_of, thinned, trainings_of_heads, under_way
from report_model import Report
from run_files import JsonLines, RunError
from run_folder import read_run


def step_line(step, loss, seconds=0.5):
    phases = {"forward": 0.4 * seconds, "backward": 0.6 * seconds}
    return {"step": step, "epoch": step / 100, "loss": loss, "learning_rate": 1e-4, "phases": phases, "sequences": 8, "tokens": 1000}


@pytest.fixture
def seed(tmp_path):
    """A seed whose fine-tuning is after 3 of 100 steps, and writing the next line."""
    folder = tmp_path / "span/seed-1"
    write_lines(folder / "metrics/finetune.jsonl", [step_line(step, 5.0 - step) for step in (1, 2, 3)], '{"step": 4, "lo')
    write_json(folder / "resume/recipe.json", {"steps": 100})
    return folder


def test_steps_become_series_and_a_line_cut_short_is_left_out(seed, tmp_path):
    series = series_of(tmp_path)["span/seed-1"]
    assert series["loss"] == [(1, 4.0), (2, 3.0), (3, 2.0)]
    assert series["tokens_per_second"] == [(step, pytest.approx(2000)) for step in (1, 2, 3)]
    assert series["time/backward"][0] == (1, pytest.approx(0.6))
    assert set(series) == {"loss", "learning_rate", "tokens_per_second", "sequences_per_second", "time/forward", "time/backward"}


def test_a_number_that_the_program_adds_becomes_a_series_by_itself(tmp_path):
    write_lines(tmp_path / "span/seed-1/metrics/finetune.jsonl", [step_line(1, 5.0) | {"memory_gib": 7.5, "note": "x", "none": None}])
    assert series_of(tmp_path)["span/seed-1"]["memory_gib"] == [(1, 7.5)]


def test_evaluations_and_the_summary_are_no_steps(tmp_path):
    run = write_run(tmp_path)
    assert series_of(run)["span/seed-1"] == {"loss": [(1, 5.9)]}


def test_long_series_are_thinned_to_means():
    assert thinned([(step, float(step)) for step in range(1, 11)], most=5) == [(2, 1.5), (4, 3.5), (6, 5.5), (8, 7.5), (10, 9.5)]
    assert len(thinned([(step, 0.0) for step in range(1001)])) <= 400 and thinned([]) == []


def test_fine_tuning_under_way_tells_its_steps_and_the_time_left(seed, tmp_path):
    (item,) = under_way(tmp_path)
    assert item["seconds_left"] == pytest.approx(97 * 0.5)
    assert item["text"] == "Fine-tuning of span, seed 1: step 3 of 100, 2,000 tokens/s, about 48 s left"
    (later,) = under_way(tmp_path, now=time.time() + 1000)
    assert later["text"].endswith("; no word for 17 min")
    assert not is_done(tmp_path)


def test_heads_under_way_count_their_passes(tmp_path):
    for head in ("learned_pooling", "adapter_64_shared"):
        place = tmp_path / f"span/seed-2/heads/{head}/epoch-0.3/lr-0.001-seed-2"
        write_lines(place / "metrics.jsonl", [{"epoch": 1, "seconds": 7200.0, "sequences": 131_911, "waiting_share": 0.05}])
        write_json(place / "resume/recipe.json", {"epochs": 3})
    (item,) = under_way(tmp_path)
    assert item["text"] == "2 heads of span, seed 2, epoch 0.3: pass 1 of 3, 18 sequences/s, 5.0 % of the time waiting for states, about 4.0 h left"


def test_heads_that_were_trained_together_tell_their_speed_and_waiting_once(tmp_path):
    def line(epoch, seconds, waiting):
        return {"epoch": epoch, "seconds": seconds, "sequences": 600, "ranks": 2, "waiting_share": waiting, "step_seconds": 3.0}

    heads = tmp_path / "span/seed-2/heads"
    write_lines(heads / "a/epoch-1/lr-0.001-seed-2/metrics.jsonl", [line(1, 20.0, 0.1)])  # ran out of patience
    write_lines(heads / "b/epoch-1/lr-0.001-seed-2/metrics.jsonl", [line(1, 20.0, 0.1), line(2, 40.0, 0.4)], '{"epo')
    write_lines(heads / "a/epoch-1_3/lr-0.001-seed-2/metrics.jsonl", [line(1, 10.0, 0.5)])
    write_lines(heads / "c/epoch-1/lr-0.001-seed-2/metrics.jsonl", [{"epoch": 1, "loss": 2.0}])  # tells no speed
    first, second = trainings_of_heads(tmp_path)
    assert [(one.task, one.epoch, one.seed, len(one.logs), len(one.passes)) for one in (first, second)] == [
        ("span", "1/3", "2", 1, 1), ("span", "1", "2", 2, 2)]
    assert (first.sequences_per_second, first.waiting_share) == (60, 0.5)
    assert (second.sequences_per_second, second.waiting_share) == (pytest.approx(20), pytest.approx(0.3))


def test_the_cost_of_heads_stands_on_the_page(tmp_path):
    run = write_run(tmp_path)
    line = {"epoch": 1, "seconds": 20.0, "sequences": 600, "ranks": 2, "waiting_share": 0.1}
    folder = run / "span/seed-1/heads"
    write_lines(folder / "learned_pooling/epoch-1/lr-0.001-seed-1/metrics.jsonl", [line | {"step_seconds": 3.0}])
    write_lines(folder / "adapter_64_shared_skip/epoch-1/lr-0.001-seed-1/metrics.jsonl", [line])  # on a GPU
    report = Report(read_run(run))
    add_head_cost(report)
    (table,), (speed, steps) = report.tables(), report.figures()
    (row,) = table.rows
    assert row.cells[2:] == ["1", 2, 2, 1, 20.0, 30.0, 10.0] and len(row.source) == 2
    assert [(one["speed"], one["waiting"]) for one in speed.spec["data"]["values"]] == [(30.0, 10.0)]
    assert [(one["model"], one["value"]) for one in steps.spec["data"]["values"]] == [("learned pooling", 10.0)]


def test_nothing_is_under_way_in_a_finished_run_and_it_is_done(tmp_path):
    run = write_run(tmp_path)
    assert under_way(run) == [] and is_done(run)
    write_json(run / "span/seed-1/checkpoints/epoch-9/checkpoint.json", {})  # not yet evaluated
    assert not is_done(run)


WANTED = """
set -euo pipefail
. launch/road.sh
run=${1%/*} model=$2
eval "$("$0" --config "$1" --print)"
wanted_results
"""


def wanted_of(config, model="none"):
    """What the launcher writes into RUN/wanted.txt for a study."""
    return bv.run_command(["bash", "-c", WANTED, bv.BIN / "bv_plan", config, model], cwd=bv.SOURCE).stdout


def test_a_study_that_names_no_task_wants_both(tmp_path):
    run = write_run(tmp_path)
    (run / "study.toml").write_text("[study]\n", encoding="utf-8")
    (run / "wanted.txt").write_text(wanted_of(run / "study.toml"), encoding="utf-8")
    assert is_done(run)
    shutil.rmtree(run / "classification")
    assert not is_done(run)


@pytest.mark.parametrize("more", [None, "seeds = [1, 2]", 'states_at = ["2"]', "shares = [0.5]", 'layer_subsets = ["0,2"]',
                                  "layer_atlas = true", 'mixed = ["0.3:1"]', 'span_ensembles = ["learned_pooling+BERT"]',
                                  'span_heads = ["configs/heads/average_pooling.toml"]'])
def test_a_study_that_wants_more_is_not_done(tmp_path, tiny_model, more):
    run = write_run(tmp_path)
    wanted = {"tasks": '["span"]', "states_at": '["0.3", "1"]', "span_heads": '["learned_pooling", "adapter_64_shared_skip"]'}
    wanted |= [more.split(" = ")] if more else []
    lines = "".join(f"{key} = {value}\n" for key, value in wanted.items())
    (run / "study.toml").write_text(f"[study]\n{lines}[finetune]\ncheckpoints = '0.3,1,2'\n", encoding="utf-8")
    (run / "wanted.txt").write_text(wanted_of(run / "study.toml", tiny_model), encoding="utf-8")
    assert is_done(run) == (more is None)


@pytest.mark.parametrize("compares, made", [
    ('mixed = ["0.3:2"]', ["mixed/{0}/epoch-0.3-on-2/lr-0.001-seed-1", "mixed/{1}/epoch-0.3-on-2/lr-0.001-seed-1"]),
    ('span_ensembles = ["{0}+{1}"]', ["ensembles/{0}+{1}/epoch-0.3/lr-0.001-seed-1-max", "ensembles/{0}+{1}/epoch-0.3/lr-0.001-seed-1-mean"]),
])  # fmt: skip
@pytest.mark.parametrize("diverged", [False, True])
def test_a_run_is_done_when_its_comparisons_are_scored_but_those_of_a_head_that_diverged(tmp_path, compares, made, diverged):
    run, heads = write_run(tmp_path), ["learned_pooling", "adapter_64_shared_skip"]
    study = f"[study]\ntasks = ['span']\nstates_at = ['0.3']\nspan_heads = {heads}\n{compares.format(*heads)}\n"
    (run / "study.toml").write_text(study + "[finetune]\ncheckpoints = '0.3,1,2'\n", encoding="utf-8")
    (run / "wanted.txt").write_text(wanted_of(run / "study.toml"), encoding="utf-8")
    wanted = [f"span/seed-1/evaluations/{place.format(*heads)}/metrics.json" for place in made]
    if diverged:
        (run / f"span/seed-1/heads/{heads[0]}/epoch-0.3/lr-0.001-seed-1/head.json").unlink()
        wanted = [place for place in wanted if heads[0] not in place]
    for place in wanted:
        assert not is_done(run)
        write_json(run / place, {})
    assert is_done(run)


def test_a_run_is_not_done_before_each_layer_has_its_head_and_its_comparison(tmp_path, tiny_model):
    """A head that is worthless is not compared. The tiny model has three hidden states."""
    run = write_run(tmp_path)
    (run / "study.toml").write_text("[study]\ntasks = ['span']\nstates_at = ['0.3']\nspan_heads = ['span_probe']\nmixed = ['0.3:2']\n"
                                    "[finetune]\ncheckpoints = '0.3,1,2'\n", encoding="utf-8")
    (run / "wanted.txt").write_text(wanted_of(run / "study.toml", tiny_model), encoding="utf-8")
    seed = run / "span" / "seed-1"
    heads = [seed / f"heads/span_probe/epoch-0.3/lr-0.001-seed-1-layer-{layer:02}" for layer in range(3)]
    compared = [seed / f"evaluations/mixed/span_probe/epoch-0.3-on-2/{head.name}" for head in heads]
    for folder in [*heads, *compared]:
        assert not is_done(run)
        write_json(folder / "metrics.json", {})
        write_json(folder / "head.json", {})
    assert is_done(run)
    (compared[1] / "metrics.json").unlink()
    assert not is_done(run)
    (heads[1] / "head.json").unlink()
    assert is_done(run)
    (run / "wanted.txt").write_text("span/seed-1/metrics/finetune.jsonl\nnone/metrics.json\tspan/seed-1/heads/span_probe/*/*-layer-01\n")
    assert is_done(run)  # as written by earlier versions, without numbers


@pytest.mark.parametrize("place", ["epoch-0.3", "never-none"])
def test_a_run_is_not_done_before_its_evaluations(tmp_path, place):
    run = write_run(tmp_path)
    (run / "study.toml").write_text("[study]\ntasks = ['span']\nstates_at = ['0.3']\n[finetune]\ncheckpoints = '0.3'\n", encoding="utf-8")
    (run / "wanted.txt").write_text(wanted_of(run / "study.toml"), encoding="utf-8")
    assert is_done(run)
    (run / "span/seed-1/evaluations" / place / "metrics.json").unlink()
    assert not is_done(run)


def test_lines_are_read_once_and_anew_where_the_file_was_written_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_lines(path, [{"step": 1}], '{"st')
    lines = JsonLines(path)
    assert lines.read() == [{"step": 1}]
    write_lines(path, [{"step": 1}, {"step": 2}])
    assert (lines.read(), lines.number) == ([{"step": 2}], 2)
    assert lines.read() == []
    write_lines(path, [{"step": 1}, {"step": 7}, {"step": 8}])  # resumed after step 1
    assert (lines.read(), lines.number) == ([{"step": 1}, {"step": 7}, {"step": 8}], 3)
    write_lines(path, [{"step": 1}, {"step": 7}, {"step": 8}, [4]])
    with pytest.raises(RunError, match="metrics.jsonl: line 4: should hold an object, holds a list"):
        lines.read()


@pytest.mark.parametrize("seconds, text", [(45, "45 s"), (89.6, "90 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


# --- report.py --watch ---


def said_until(stream, word):
    """The lines up to the one with the word."""
    lines = []
    while not lines or word not in lines[-1]:
        line = stream.readline()
        assert line, f"ended without {word!r}: {lines}"
        lines.append(line)
    return lines


def test_a_page_is_made_again_while_the_run_goes_on_until_it_is_done(seed, tmp_path, watching):
    process = watching("report/report.py", tmp_path)
    said_until(process.stdout, "step 3 of 100")
    assert "Fine-tuning has not finished" in (tmp_path / "report/index.html").read_text(encoding="utf-8")
    write_lines(seed / "metrics/finetune.jsonl", [step_line(100, 1.0)])
    said_until(process.stdout, "step 100 of 100")
    metrics = seed / "evaluations/epoch-1/metrics.json"
    metrics.parent.mkdir(parents=True)
    metrics.write_text('{"epoch": "1", "official": {"exact": 1}}', encoding="utf-8")
    said_until(process.stderr, f"error: report: {metrics}: 'official.f1' should be a number")
    metrics.write_text('{"epoch": "1", "official": {"exact": 61.25, "f1": 62.5}}', encoding="utf-8")
    write_lines(seed / "metrics/finetune.jsonl", [step_line(100, 1.0), {"done": True, "seconds": 1.0}])
    said_until(process.stdout, "the run is done")
    assert process.wait(timeout=60) == 0
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert "61.25" in page and "Fine-tuning has not finished" not in page


def test_ctrl_c_ends_the_watch_without_a_word(seed, tmp_path, watching):
    process = watching("report/report.py", tmp_path)
    said_until(process.stdout, "step 3 of 100")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_watch_waits_for_the_first_results(tmp_path, watching):
    process = watching("report/report.py", tmp_path)
    said_until(process.stdout, "index.html")
    assert "No results for the span task" in (tmp_path / "report/index.html").read_text(encoding="utf-8")
    write_lines(tmp_path / "span/seed-1/metrics/finetune.jsonl", [step_line(3, 1.0)])
    said_until(process.stdout, "Fine-tuning of span, seed 1")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_watch_of_no_time_is_a_mistake(tmp_path, seconds):
    refused = bv.run_tool("report/report.py", "--run", tmp_path, "--watch", seconds, check=False)
    assert refused.rc == 2 and "argument --watch" in refused.stderr


def test_a_watch_of_no_folder_is_a_mistake(tmp_path):
    refused = bv.run_tool("report/report.py", "--run", tmp_path / "none", "--watch", check=False)
    assert (refused.rc, refused.stderr) == (2, f"error: report: {tmp_path / 'none'}: no such folder\n")
