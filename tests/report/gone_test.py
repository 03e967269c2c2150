"""Files that go while the report or tools/to_tensorboard.py reads a run: stores without keep_stores, and results with --force."""

import importlib.util
import sys
from types import SimpleNamespace

import bv
import made_records  # noqa: F401  finds tools/report
import progress
import pytest
import run_folder
from sections import write_report
from synthetic_run import scores, write_json, write_lines, write_run

STORE = "span/seed-1/stores/epoch-1-train.h5.toml"


def module_of(place):
    """A program of tools as a module: the names of some are those of others."""
    spec = importlib.util.spec_from_file_location(f"program_{place.replace('/', '_')}", bv.SOURCE / "tools" / f"{place}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path):
    run = write_run(tmp_path / "study")
    (run / STORE).parent.mkdir(parents=True)
    (run / STORE).write_text("[extract]\nlayers = 'those of the store'\n", encoding="utf-8")
    return run


def removed_after(read):
    """`read`, and then its file is gone."""

    def reads(path, *arguments, **options):
        found = read(path, *arguments, **options)
        path.unlink()
        return found

    return reads


def removed_before(read, name):
    """`read`, but a file of this name goes before."""

    def reads(path, *arguments, **options):
        if path.name == name:
            path.unlink()
        return read(path, *arguments, **options)

    return reads


def test_the_settings_of_a_store_that_goes_before_the_page_is_written_are_on_it(run):
    found = run_folder.read_run(run)
    (run / STORE).unlink()
    write_report(found, run / "report", files=False)
    assert "those of the store" in (run / "report/index.html").read_text(encoding="utf-8")


def test_the_settings_of_a_store_that_goes_before_they_are_read_are_left_out(run, monkeypatch):
    monkeypatch.setattr(run_folder, "read_text", removed_before(run_folder.read_text, (run / STORE).name))
    found = run_folder.read_run(run)
    assert not (run / STORE).exists() and found.wrong == []
    assert [path.name for path, _ in found.configs] == ["finetune.toml"] * 2


def gone(path):
    return FileNotFoundError(2, "No such file or directory", str(path))


def test_a_folder_that_goes_while_it_is_listed_is_an_error_in_a_line(run, monkeypatch, capsys):
    report = module_of("report/report")

    def read(folder):
        raise gone(folder / "span/seed-1/stores")

    monkeypatch.setattr(report, "read_run", read)
    monkeypatch.setattr(sys, "argv", ["report.py", "--run", str(run)])
    assert report.main() == 2
    assert capsys.readouterr().err == f"error: report: {run / 'span/seed-1/stores'}: was removed while the run was read\n"


def test_a_watch_looks_again_where_a_folder_went_while_it_was_listed(run, monkeypatch, capsys):
    report, looks = module_of("report/report"), []

    def read(folder):
        looks.append(folder)
        if len(looks) == 1:
            raise gone(folder / "span/seed-1/stores")
        return run_folder.read_run(folder)

    monkeypatch.setattr(report, "read_run", read)
    report.watch(SimpleNamespace(run=run, watch=0.01, mixed=False, explorer_seed=None, files=False, output=run / "report"))
    told = capsys.readouterr()
    assert "was removed while the run was read" in told.err and "the run is done" in told.out and len(looks) == 2


@pytest.mark.parametrize("path", ["metrics/finetune.jsonl", "heads/learned_pooling/epoch-1/lr-0.001-seed-1/metrics.jsonl"])
def test_work_whose_lines_go_is_not_silent(tmp_path, monkeypatch, path):
    write_lines(tmp_path / "span/seed-1" / path, [{"step": 1, "loss": 5.0}])
    monkeypatch.setattr(progress, "read_json_lines", removed_after(progress.read_json_lines))
    (item,) = progress.under_way(tmp_path)
    assert item["quiet_seconds"] == 0 and item["done"] == 1


# --- tools/to_tensorboard.py ---


def test_an_evaluation_that_goes_while_it_is_looked_at_is_left_out(run):
    events = module_of("to_tensorboard")
    path = run / "span/seed-1/evaluations/epoch-1/metrics.json"
    write_json(path, {"checkpoint": {"step": 4}, **scores("span", 50.0)})
    found = [path, path.parent.with_name("epoch-2") / "gone.json"]
    source = events.EvaluationEvents(SimpleNamespace(glob=lambda pattern: found), run / "tensorboard")
    source.update()
    assert list(source.seen) == [path] and len(list((run / "tensorboard").iterdir())) == 1


def test_event_files_go_on_where_results_are_replaced(tmp_path):
    events = module_of("to_tensorboard")
    path, sources = tmp_path / "span/seed-1/metrics/finetune.jsonl", {}
    write_lines(path, [{"step": 1, "loss": 5.0}])
    for change in (lambda: None, path.unlink, lambda: write_lines(path, [{"step": 1, "loss": 4.0}, {"step": 2, "loss": 3.0}])):
        change()
        events.look(tmp_path, tmp_path / "tensorboard", sources)
    assert sources[path].lines.number == 2
    sources[path].events.close()
