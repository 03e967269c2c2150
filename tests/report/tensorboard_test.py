"""What tools/to_tensorboard.py writes is what TensorBoard itself reads."""

import json
import os
import signal
import time

import bv
import pytest
from synthetic_run import scores, write_json, write_lines
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

DONE = {"done": True, "seconds": 2.0}


def step_line(step):
    return {"step": step, "epoch": step / 4, "loss": 6.0 - step, "phases": {"forward": 0.2, "backward": 0.3}, "sequences": 8, "tokens": 1000}


@pytest.fixture
def run(tmp_path):
    """A run that has fine-tuned, evaluated a checkpoint twice, and trained a head for two epochs."""
    folder = tmp_path / "span/seed-1"
    evaluation = {"evaluation": {"step": 2, "epoch": "1/2", "rank_hours": 0.1, **scores("span", 40.0)}}
    write_lines(folder / "metrics/finetune.jsonl", [step_line(1), step_line(2), evaluation, step_line(3), step_line(4), DONE])
    for epoch, step, exact in (("1", 4, 50.0), ("0.5", 2, 45.0)):
        metrics = {"checkpoint": {"step": step}, **scores("span", exact)}
        write_json(folder / f"evaluations/epoch-{epoch}/metrics.json", metrics)
    head = folder / "heads/learned_pooling/epoch-1/lr-0.001-seed-1"
    lines = [
        {"epoch": epoch, "step": 20 * epoch, "seconds": 3.0, "loss": 5.0, "loss_of_tenths": [10.0 * epoch + place for place in range(10)],
         **scores("span", 50.0 + epoch), "held_out": scores("span", 70.0 + epoch) | {"epoch": epoch}}
        for epoch in (1, 2)
    ]
    write_lines(head / "metrics.jsonl", lines)
    write_json(head / "metrics.json", {})
    return tmp_path


def points(run, place, tag):
    """(step, value) of a scalar, as TensorBoard reads them."""
    folder = run / "tensorboard" / place
    if not folder.is_dir():
        return []
    events = EventAccumulator(str(folder)).Reload()
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)] if tag in events.Tags()["scalars"] else []


def test_tensorboard_reads_every_value_back(run):
    assert bv.run_tool("to_tensorboard.py", "--run", run).stdout == f"{run / 'tensorboard'}\n"
    tuning = "span/seed-1/fine-tuning"
    assert points(run, tuning, "loss") == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0)]
    assert points(run, tuning, "tokens_per_second") == [(step, 2000.0) for step in (1, 2, 3, 4)]
    assert points(run, tuning, "time/backward")[0] == (1, 0.6)
    assert points(run, tuning, "evaluation/official/f1") == [(2, 41.5)]
    assert points(run, "span/seed-1/evaluations", "reference/exact") == [(2, 44.0), (4, 49.0)]
    head = "span/seed-1/heads/learned_pooling/epoch-1/lr-0.001-seed-1"
    assert points(run, head, "loss") == [(20 * epoch - 20 + 2 * (place + 1), 10.0 * epoch + place) for epoch in (1, 2) for place in range(10)]
    assert points(run, head, "official/exact") == [(20, 51.0), (40, 52.0)]
    assert points(run, head, "held_out/official/exact") == [(20, 71.0), (40, 72.0)]
    assert not points(run, head, "held_out/epoch")


def test_steps_are_as_far_apart_as_they_took(run):
    bv.run_tool("to_tensorboard.py", "--run", run)
    events = EventAccumulator(str(run / "tensorboard/span/seed-1/fine-tuning")).Reload().Scalars("loss")
    moments = [event.wall_time for event in events]
    assert [later - earlier for earlier, later in zip(moments, moments[1:])] == pytest.approx([0.5] * 3, abs=1e-3)
    assert moments[-1] == pytest.approx((run / "span/seed-1/metrics/finetune.jsonl").stat().st_mtime, abs=1e-3)


def test_a_second_call_replaces_what_the_first_wrote(run):
    for _ in range(2):
        bv.run_tool("to_tensorboard.py", "--run", run)
    assert len(points(run, "span/seed-1/fine-tuning", "loss")) == 4


def test_a_run_without_metrics_or_with_a_malformed_file_is_an_error(run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = bv.run_tool("to_tensorboard.py", "--run", empty, check=False)
    assert refused.rc == 2 and f"{empty} has no metrics" in refused.stderr
    path = run / "span/seed-1/metrics/finetune.jsonl"
    write_lines(path, [step_line(1), [2]])
    refused = bv.run_tool("to_tensorboard.py", "--run", run, check=False)
    assert refused.rc == 2 and refused.stderr == f"error: to_tensorboard: {path}: line 2: should hold an object, holds a list\n"


# --- --watch ---


def wait_for_points(process, run, tag, expected):
    found = []
    for _ in range(600):
        found = points(run, "span/seed-1/fine-tuning", tag)
        if found == expected:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    pytest.fail(f"{found} is not {expected}")


def test_the_event_files_follow_a_run_until_it_is_done(run, watching):
    path = run / "span/seed-1/metrics/finetune.jsonl"
    write_lines(path, [step_line(1)], '{"step": 2, "lo')
    process = watching("to_tensorboard.py", run)
    wait_for_points(process, run, "loss", [(1, 5.0)])
    write_lines(path, [step_line(1), step_line(2), step_line(3)])
    wait_for_points(process, run, "loss", [(1, 5.0), (2, 4.0), (3, 3.0)])
    aside = path.with_suffix(".aside")
    write_lines(aside, [step_line(1), step_line(2) | {"loss": 9.0}])  # resumed after step 1
    os.replace(aside, path)
    wait_for_points(process, run, "loss", [(1, 5.0), (2, 9.0)])
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(DONE) + "\n")
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, f"{run / 'tensorboard'}\n", "")


def test_ctrl_c_ends_the_watch_in_order(run, watching):
    write_lines(run / "span/seed-1/metrics/finetune.jsonl", [step_line(1)])
    process = watching("to_tensorboard.py", run)
    wait_for_points(process, run, "loss", [(1, 5.0)])
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
