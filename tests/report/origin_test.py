"""What made a result, and results that do not go together."""

import html
import re
import sys
from datetime import UTC, datetime
from urllib.parse import unquote

import bv
import pytest
from synthetic_run import page_of, refusal_of, write_json, write_run

sys.path.insert(0, str(bv.SOURCE / "tools" / "report"))
from origin import job_records, origin_of, require_alike
from run_files import RunError
from run_folder import read_run

HEAD = "span/seed-1/heads/learned_pooling/epoch-1/lr-0.001-seed-1"
EVALUATION = "span/seed-1/evaluations/epoch-1"


def edit(path, **changed):
    write_json(path, (bv.read_json(path) if path.is_file() else {}) | changed)


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "study")


def add_sources(run):
    """The files of a run that programs wrote while it lay elsewhere."""
    elsewhere = "/scratch/old/study"
    for place in ("features/dev.h5", "features/train.h5", "span/seed-1/stores/epoch-1-dev.h5"):
        (run / place).parent.mkdir(parents=True, exist_ok=True)
        (run / place).write_bytes(b"")
    write_json(
        run / "span/seed-1/checkpoints/epoch-1/checkpoint.json",
        {"epoch": "1", "seed": 1, "step": 21, "started_from": "0a0a", "data_fingerprint": "f1f1"},
    )
    edit(
        run / EVALUATION / "metrics.json",
        precision="float32",
        checkpoint={"path": f"{elsewhere}/span/seed-1/checkpoints/epoch-1", "fingerprint": "c1c1"},
        features={"path": f"{elsewhere}/features/dev.h5", "fingerprint": "d1d1"},
    )
    (run / HEAD / "config.toml").write_text("[train]\n", encoding="utf-8")


def write_record(run, name, minutes):
    """A record of a start so many minutes before the time of `minutes_before(0)`."""
    write_json(run / "jobs" / f"{name}.json", minutes_before(minutes))


def minutes_before(minutes):
    return {"time": datetime.fromtimestamp(1_800_000_000 - 60 * minutes, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def facts(run, place):
    """{what: (text, place in the run)} of the result there."""
    found = read_run(run)
    (result,) = [one for one in found.berts + found.heads if one.files[0] == run / place / "metrics.json"]
    chain = origin_of(found, result, job_records(found))
    return {fact.what: (fact.text, fact.file and str(fact.file.relative_to(run))) for fact in chain}


def test_an_evaluation_tells_its_checkpoint_and_features_though_the_run_moved(run):
    add_sources(run)
    told = facts(run, EVALUATION)
    assert told["checkpoint"] == ("span/seed-1/checkpoints/epoch-1 (c1c1)", "span/seed-1/checkpoints/epoch-1")
    assert told["dev features"] == ("features/dev.h5 (d1d1)", "features/dev.h5")
    assert told["fine-tuning"] == ("seed 1, step 21, of model 0a0a, features f1f1", "span/seed-1/checkpoints/epoch-1/checkpoint.json")
    assert told["precision"] == ("float32", None)
    assert "commit" not in told and "host" not in told


MADE = {"program": "bv_train", "version": "0.9", "commit": "beef", "host": "n7", "job": "41_2", "time": "2026-01-31T12:00:00Z"}


def source(place, fingerprint):
    return {"path": f"/scratch/old/study/{place}", "fingerprint": fingerprint}


def add_made(run):
    """A head as bv_train writes it in a job."""
    add_sources(run)
    write_json(run / "jobs/train-41_2.json", {"time": "2026-01-31T11:53:00Z", "commit": "of the record"})
    edit(
        run / HEAD / "metrics.json",
        made=MADE,
        store=source("span/seed-1/stores/epoch-1-train.h5", "a1a1"),
        dev_store=source("span/seed-1/stores/epoch-1-dev.h5", "a2a2"),
        checkpoint=source("span/seed-1/checkpoints/epoch-1", "c9c9"),
        train_features=source("features/train.h5", "f9f9"),
        features=source("features/dev.h5", "d1d1"),
    )


def test_a_head_tells_its_states_features_configuration_and_job(run):
    add_made(run)
    told = facts(run, HEAD)
    assert told["training states"] == ("/scratch/old/study/span/seed-1/stores/epoch-1-train.h5 (a1a1)", None)
    assert told["dev states"] == ("span/seed-1/stores/epoch-1-dev.h5 (a2a2)", "span/seed-1/stores/epoch-1-dev.h5")
    assert told["checkpoint"] == ("span/seed-1/checkpoints/epoch-1 (c9c9)", "span/seed-1/checkpoints/epoch-1")
    assert told["training features"] == ("features/train.h5 (f9f9)", "features/train.h5")
    assert told["dev features"] == ("features/dev.h5 (d1d1)", "features/dev.h5")
    assert told["made by"] == ("bv_train 0.9, 2026-01-31T12:00:00Z", None)
    assert (told["commit"], told["host"]) == (("beef", None), ("n7", None))
    assert told["job"] == ("41_2", "jobs/train-41_2.json")
    assert told["configuration"] == ("config.toml", f"{HEAD}/config.toml")


def test_a_head_on_states_of_a_checkpoint_has_no_store_and_a_program_outside_a_job_no_job(run):
    add_made(run)
    path = run / HEAD / "metrics.json"
    metrics = {key: value for key, value in bv.read_json(path).items() if key not in ("store", "dev_store")}
    write_json(path, metrics | {"made": {key: value for key, value in MADE.items() if key != "job"}})
    assert not {"training states", "dev states", "job"} & facts(run, HEAD).keys()


def test_a_checkpoint_tells_what_made_it(run):
    add_sources(run)
    edit(run / "span/seed-1/checkpoints/epoch-1/checkpoint.json", made=MADE | {"program": "bv_finetune"})
    assert facts(run, EVALUATION)["fine-tuning"][0].endswith("; made by bv_finetune 0.9, commit beef, on n7, 2026-01-31T12:00:00Z")


def test_the_features_of_a_head_are_those_that_it_was_scored_on(run):
    add_made(run)
    edit(run / "span/seed-1/evaluations/epoch-0.3/metrics.json", features=of_features("d1d1"))
    require_alike(read_run(run))
    edit(run / HEAD / "metrics.json", features=of_features("d2d2"))
    with pytest.raises(RunError, match=r"other features \(d2d2, not d1d1\)"):
        require_alike(read_run(run))


@pytest.mark.parametrize("made", ["me", {"program": "bv_eval"}, MADE | {"job": 41}])
def test_an_origin_that_is_none_is_an_error_that_names_the_file(run, made):
    path = run / EVALUATION / "metrics.json"
    edit(path, made=made)
    told = refusal_of(run)
    assert told.rc == 2 and f"{path}: 'made' should be an object with texts program, version, commit, host, time" in told.stderr
    assert (run / "report/index.html").exists()


def test_a_bad_member_is_named_once_and_on_the_page_and_costs_no_other_link(run):
    add_sources(run)
    path = run / "span/seed-1/checkpoints/epoch-1/checkpoint.json"
    edit(path, made=MADE | {"time": "noon"})
    edit(run / EVALUATION / "metrics.json", made="me")
    told = facts(run, EVALUATION)
    assert told["fine-tuning"][0] == "seed 1, step 21, of model 0a0a, features f1f1"
    assert told["checkpoint"][1] == "span/seed-1/checkpoints/epoch-1" and told["precision"] == ("float32", None)
    page, said = page_and_errors(run)
    assert said == [f"error: report: {run / EVALUATION / 'metrics.json'}: 'made' should be an object with texts program, version, commit, "
                    "host, time and, in a job, job; is 'me'",
                    f"error: report: {path}: 'made.time' should be such as \"2026-01-31T12:00:00+0000\", is 'noon'"]
    assert "Wrong in this run" in page and page.count("&#39;made.time&#39; should be such as") == 1


def page_and_errors(run):
    told = refusal_of(run)
    assert told.rc == 2
    return (run / "report/index.html").read_text(encoding="utf-8"), bv.error_lines(told.stderr)


def test_a_record_without_a_time_is_an_error_that_names_it_and_costs_no_other_record(run):
    write_record(run, "eval-8", 5)
    write_json(run / "jobs/eval-7.json", {"time": "yesterday"})
    found = read_run(run)
    assert [record[-1].name for record in job_records(found)] == ["eval-8.json"]
    assert found.wrong == [f"{run / 'jobs/eval-7.json'}: 'time' should be such as \"2026-01-31T12:00:00+0000\", is 'yesterday'"]


def test_a_job_that_was_started_again_is_its_latest_start_before_the_result(run):
    for name, minutes in (("eval-41", 9), ("eval-41-restart-1", 5), ("eval-41-restart-2", 1), ("eval-410-restart-1", 4), ("eval-9", 4)):
        write_record(run, name, minutes)
    for minutes, record in ((10, "eval-41"), (9, "eval-41"), (6, "eval-41"), (3, "eval-41-restart-1"), (0, "eval-41-restart-2")):
        edit(run / EVALUATION / "metrics.json", made=MADE | {"job": "41"} | minutes_before(minutes))
        assert facts(run, EVALUATION)["job"] == ("41", f"jobs/{record}.json")


def test_a_result_of_no_job_tells_the_start_of_debug_before_it(run):
    for name, minutes in (("debug-1", 9), ("debug-2", 5), ("eval-7", 4)):
        write_record(run, name, minutes)
    made = {key: value for key, value in MADE.items() if key != "job"}
    for minutes, record in ((10, None), (6, "debug-1"), (1, "debug-2")):
        edit(run / EVALUATION / "metrics.json", made=made | minutes_before(minutes))
        told = facts(run, EVALUATION)
        assert told["commit"] == ("beef", None)
        assert told["job"][1] == f"jobs/{record}.json" if record else "job" not in told


def test_links_lead_to_files_whatever_the_folders_are_called(run):
    place = (run / EVALUATION).rename((run / EVALUATION).with_name("epoch-0 100%25 #1?"))
    (run / "a #1.toml").write_text("x = 1\n", encoding="utf-8")
    page = page_of(run)
    links = [unquote(html.unescape(link)) for link in re.findall(r'href="([^"]*)"', page) if re.search("[#?]", link[1:]) is None]
    for path in (place / "metrics.json", run / "a #1.toml"):
        assert f"../{path.relative_to(run)}" in links


# --- Results that do not go together ---


def of_features(fingerprint):
    return {"path": "features/dev.h5", "fingerprint": fingerprint}


def mix_features(run):
    """Two evaluations are of some features, a head is of others; all else tells none."""
    for epoch in ("0.3", "1"):
        edit(run / f"span/seed-1/evaluations/epoch-{epoch}/metrics.json", features=of_features("d1d1"))
    edit(run / HEAD / "metrics.json", features=of_features("d2d2"))
    return run / HEAD / "metrics.json", run / "span/seed-1/evaluations/epoch-0.3/metrics.json"


def mix_questions(run):
    path = run / EVALUATION / "metrics.json"
    metrics = bv.read_json(path)
    edit(path, official=metrics["official"] | {"total": 12})
    return path, run / "span/seed-1/evaluations/epoch-0/metrics.json"


def mix_scorers(run):
    for epoch in ("0", "0.3", "1"):
        answers = {"n_best": 20, "max_answer_tokens": 30 if epoch != "1" else 15, "null_threshold": 0.0}
        edit(run / f"span/seed-1/evaluations/epoch-{epoch}/metrics.json", answers=answers)
    return run / EVALUATION / "metrics.json", run / "span/seed-1/evaluations/epoch-0/metrics.json"


@pytest.mark.parametrize("mix, what", [(mix_features, "features (d2d2, not d1d1)"), (mix_questions, "number of questions (12, not 240)"),
                                       (mix_scorers, "scorer (n_best 20, max_answer_tokens 15, null_threshold 0.0, not n_best 20, ")])
def test_results_that_do_not_go_together_are_refused_and_both_files_named(run, mix, what):
    odd, usual = mix(run)
    refused = refusal_of(run)
    (line,) = refused.stderr.splitlines()
    assert refused.rc == 2 and not (run / "report").exists()
    assert line.startswith(f"error: report: {odd}: other {what}") and f"than {usual}: " in line and "--mixed" in line


def test_mixed_shows_them_and_marks_the_odd_ones(run):
    odd, _ = mix_features(run)
    found = read_run(run)
    require_alike(found, allow_mixed=True)
    marks = {one.files[0]: one.mark for one in found.berts + found.heads if one.mark}
    assert marks == {odd: "other features (d2d2, not d1d1)"}
    bv.run_tool("report/report.py", "--run", run, "--mixed", "--no-files")
    assert f"Not to be compared: {HEAD}/metrics.json is of other features (d2d2, not d1d1)." in (run / "report/index.html").read_text("utf-8")


def test_tasks_may_differ_and_so_may_thresholds_that_were_chosen_for_each_model(run):
    edit(run / EVALUATION / "metrics.json", features=of_features("d1d1"))
    edit(run / "classification/seed-1/evaluations/epoch-1/metrics.json", features=of_features("d2d2"))
    for epoch, threshold in (("0.3", 0.5), ("1", -1.25)):
        answers = {"n_best": 20, "max_answer_tokens": 30, "null_threshold": threshold, "null_threshold_from": "held-out.json"}
        edit(run / f"span/seed-1/evaluations/epoch-{epoch}/metrics.json", answers=answers)
    assert "Not to be compared" not in page_of(run)
