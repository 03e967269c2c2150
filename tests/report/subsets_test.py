"""Whatever part of a study's results there is, its page is made and names what is missing."""

import html
import shutil

import bv
import made_records  # noqa: F401  finds tools/report and tools/bench
import made_run
import pytest
from run_folder import read_run
from sections import write_report

TASKS = ("span", "classification")
EVALUATIONS, EXPERIMENTS = "evaluations/epoch-*", ["evaluations/mixed", "evaluations/ensembles"]
RECORDS = "questions.safetensors"
NO_HEAD, NO_CHECKPOINT = "No trained head: {}/seed-1/heads/", "No evaluated checkpoint: {}/seed-1/evaluations/"
NO_TUNING, NO_RECORDS = "Fine-tuning has not finished: {}/seed-1/metrics/", "No records of questions for "
NO_PLAIN_HEAD, NO_ANSWER = "No head of the {} task has been trained.", "No answer yet: "

SUBSETS = {  # what is taken away of each task's folder, and what the page says of it
    "no heads": (["heads", *EXPERIMENTS], [NO_HEAD, NO_PLAIN_HEAD, NO_ANSWER]),
    "no results but ensembles and BERT": (["heads/*", "evaluations/mixed"], [NO_HEAD, NO_PLAIN_HEAD, NO_ANSWER]),
    "ensembles alone": (["heads", EVALUATIONS, "evaluations/mixed", "metrics"], [NO_HEAD, NO_CHECKPOINT, NO_TUNING]),
    "mixed heads alone": (["heads", EVALUATIONS, "evaluations/ensembles", "metrics"], [NO_HEAD, NO_CHECKPOINT, NO_TUNING]),
    "probes alone": (["heads/adapter_*", *EXPERIMENTS], [NO_PLAIN_HEAD, NO_ANSWER]),
    "probes and no BERT": (["heads/adapter_*", "evaluations", "metrics"], [NO_CHECKPOINT, NO_PLAIN_HEAD]),
    "controls alone": (["heads/*/*/*[!s]", "evaluations", "metrics"], [NO_CHECKPOINT, NO_TUNING]),
    "heads alone": (["evaluations", "metrics"], [NO_CHECKPOINT, NO_TUNING, NO_ANSWER]),
    "heads and fine-tuning": (["evaluations"], [NO_CHECKPOINT, NO_ANSWER]),
    "BERT alone": (["heads", *EXPERIMENTS, "metrics"], [NO_HEAD, NO_TUNING, NO_ANSWER]),
    "fine-tuning alone": (["heads", "evaluations"], [NO_HEAD, NO_CHECKPOINT, NO_ANSWER]),
    "no fine-tuning": (["metrics"], [NO_TUNING]),
    "nothing but the folder": (["heads", "evaluations", "metrics"], [NO_HEAD, NO_CHECKPOINT, NO_TUNING]),
    "the last checkpoint alone": ([f"{EVALUATIONS}[!6]"], []),
    "no records": ([f"{EVALUATIONS}/{RECORDS}", f"heads/*/*/*/{RECORDS}"], [NO_RECORDS, "How sure this is cannot be told"]),
    "no records of heads": ([f"heads/*/*/*/{RECORDS}"], [NO_RECORDS, NO_ANSWER]),
    "no records of BERT": ([f"{EVALUATIONS}/{RECORDS}"], [NO_RECORDS, NO_ANSWER]),
    "records of experiments alone": ([f"{EVALUATIONS}/{RECORDS}", f"heads/*/*/lr-0.001-seed-1/{RECORDS}"], [NO_RECORDS]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both tasks with every experiment."""
    run = tmp_path_factory.mktemp("made") / "study"
    made_run.write_run(run, made_run.Shape(40, checkpoints=3, heads=2, head_checkpoints=2, seeds=1, tasks=list(TASKS), experiments=True))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def take_away(paths):
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def page_of(run):
    write_report(read_run(run), run / "report", files=False)
    return html.unescape((run / "report" / "index.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("subset", SUBSETS)
def test_the_page_of_a_part_of_the_results_names_what_is_missing(run, subset):
    gone, told = SUBSETS[subset]
    for task in TASKS:
        paths = [path for pattern in gone for path in (run / task / "seed-1").glob(pattern)]
        assert paths
        take_away(paths)
    page = page_of(run)
    assert [(words, task) for words in told for task in TASKS if words.format(task) not in page] == []


@pytest.mark.parametrize("task, other", [TASKS, TASKS[::-1]])
def test_the_page_of_one_task_names_the_other(run, task, other):
    shutil.rmtree(run / other)
    page = page_of(run)
    assert f"No results for the {other} task" in page and f'data-table="{task}-significance"' in page


def test_the_page_of_evaluations_before_fine_tuning_alone(run):
    for task in TASKS:
        folder = run / task / "seed-1"
        first, *later = sorted(folder.glob("evaluations/epoch-*"))
        take_away([*later, *folder.glob("evaluations/[!e]*"), folder / "evaluations" / "ensembles", folder / "heads"])
        made_run.write_json(first / "metrics.json", bv.read_json(first / "metrics.json") | {"epoch": "0"})
        first.rename(first.with_name("epoch-0"))
    page = page_of(run)
    assert [task for task in TASKS if NO_HEAD.format(task) not in page] == []
